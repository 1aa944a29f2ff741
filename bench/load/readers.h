// What workloads that read have in common.
#ifndef MILLSTREAM_BENCH_LOAD_READERS_H_
#define MILLSTREAM_BENCH_LOAD_READERS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bench/load/workload.h"

namespace millstream::bench {

// A reading workload has nothing to verify afterwards: each answer is judged
// when it comes.
class ReadWorkload : public Workload {
 public:
  ReadWorkload(const WorkloadOptions& options, absl::string_view unit)
      : options_(options), unit_(unit) {}
  absl::string_view unit() const override { return unit_; }
  absl::Status Verify(Api&) override { return absl::OkStatus(); }

 protected:
  const WorkloadOptions options_;

 private:
  const absl::string_view unit_;
};

// Sends the given requests in turn; the first answer is judged with care,
// the others by status, so that the client stays light.
class RepeatClient : public Client {
 public:
  using Judge = std::function<absl::Status(absl::string_view body)>;

  RepeatClient(std::shared_ptr<const std::vector<std::string>> requests,
               size_t first, uint64_t count, Judge judge)
      : requests_(std::move(requests)),
        at_(first),
        left_(count),
        judge_(std::move(judge)) {}

  bool Next(bool time_is_up, Request* request) override {
    if (time_is_up || left_ == 0) return false;
    --left_;
    request->bytes = (*requests_)[at_++ % requests_->size()];
    return true;
  }

  absl::Status OnAnswer(const Answer& answer) override {
    absl::Status status = CheckOk(answer);
    if (status.ok() && answer.body_bytes < first_bytes_ / 4) {
      status = absl::DataLossError("an answer is much shorter than the first");
    }
    if (status.ok() && units_ == 0) {
      status = judge_(answer.body);
      first_bytes_ = answer.body_bytes;
    }
    if (status.ok()) ++units_;
    return status;
  }

  uint64_t units() const override { return units_; }

 private:
  const std::shared_ptr<const std::vector<std::string>> requests_;
  size_t at_;
  uint64_t left_;
  const Judge judge_;
  uint64_t units_ = 0;
  size_t first_bytes_ = 0;
};

// Clients that share a list of requests, each beginning elsewhere in it.
inline Clients Repeat(const WorkloadOptions& options,
                      std::vector<std::string> requests,
                      RepeatClient::Judge judge) {
  auto shared = std::make_shared<const std::vector<std::string>>(
      std::move(requests));
  uint64_t each = options.count == 0
                      ? UINT64_MAX
                      : (options.count + options.clients - 1) / options.clients;
  Clients clients;
  for (size_t i = 0; i < options.clients; ++i) {
    clients.push_back(std::make_unique<RepeatClient>(
        shared, i * shared->size() / options.clients, each, judge));
  }
  return clients;
}

// Reads pages until there is no next one; begins anew while there is time. A
// pass that has begun is ended: pages far back may cost more than the first.
class PagingClient : public Client {
 public:
  // What a page held, and the token of the next.
  struct Page {
    uint64_t units = 0;
    std::string next_page_token;
  };
  using MakeRequest = std::function<std::string(absl::string_view token)>;
  using ReadPage = std::function<absl::StatusOr<Page>(absl::string_view body)>;

  PagingClient(MakeRequest make, ReadPage read, uint64_t expect)
      : make_(std::move(make)), read_(std::move(read)), expect_(expect) {}

  bool Next(bool time_is_up, Request* request) override {
    if (token_.empty() && time_is_up) return false;
    request->bytes = make_(token_);
    return true;
  }

  absl::Status OnAnswer(const Answer& answer) override {
    absl::Status status = CheckOk(answer);
    absl::StatusOr<Page> page = status.ok() ? read_(answer.body) : status;
    if (!page.ok()) {
      token_.clear();
      pass_units_ = 0;
      return page.status();
    }
    units_ += page->units;
    pass_units_ += page->units;
    token_ = page->next_page_token;
    if (!token_.empty()) return absl::OkStatus();
    uint64_t found = std::exchange(pass_units_, 0);
    if (expect_ > 0 && found != expect_) {
      return absl::DataLossError(
          absl::StrCat("found ", found, " instead of ", expect_));
    }
    return absl::OkStatus();
  }

  uint64_t units() const override { return units_; }

 private:
  const MakeRequest make_;
  const ReadPage read_;
  const uint64_t expect_;
  std::string token_;
  uint64_t pass_units_ = 0;
  uint64_t units_ = 0;
};

}  // namespace millstream::bench

#endif  // MILLSTREAM_BENCH_LOAD_READERS_H_
