// What finding out who calls costs: of callers who are known, for each call;
// and of a password that is not, once.
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/synchronization/notification.h"
#include "auth/gate.h"
#include "auth/password_hash.h"
#include "benchmark/benchmark.h"

namespace millstream::auth {
namespace {

class Everybody final : public UserSource {
 public:
  Verdict Verify(std::string_view user, std::string_view) override {
    return std::make_shared<Identity>(Identity{std::string(user)});
  }
  bool Holds(const Identity&) override { return true; }
  uint64_t generation() override { return 0; }
};

void KnownCaller(benchmark::State& state, const std::string& header) {
  static Gate gate(std::make_shared<Everybody>(), &Clock::System());
  absl::Notification checked;
  gate.Check(header, "1.2.3.4:5", [&](Verdict) { checked.Notify(); });
  checked.WaitForNotification();
  for (auto _ : state) {
    std::optional<Verdict> verdict = gate.Recall(header);
    if (!verdict.has_value()) state.SkipWithError("forgotten");
    benchmark::DoNotOptimize(verdict);
  }
}
void BM_KnownPassword(benchmark::State& state) {
  KnownCaller(state,
              "Basic " + absl::Base64Escape("alice:a long password"));
}
BENCHMARK(BM_KnownPassword)->Threads(1)->Threads(2);
void BM_KnownToken(benchmark::State& state) {
  KnownCaller(state, "Bearer " + std::string(64, 'a'));
}
BENCHMARK(BM_KnownToken)->Threads(1)->Threads(2);

// The password is "password", and not what is tried.
void WrongPassword(benchmark::State& state, std::string_view hash) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Matches("another password", hash));
  }
}
// As `htpasswd -B` makes them: -C 5 is its default.
BENCHMARK_CAPTURE(
    WrongPassword, bcrypt_5,
    "$2y$05$dEG.zoR9Tzj2OQbNmSNHFek1deitPIlEFhD11EDkU1As.Q8afaYh6");
BENCHMARK_CAPTURE(
    WrongPassword, bcrypt_10,
    "$2y$10$IM1.LYm9GM.jZeFFmoX2..n1SB59ElkRStlVbrqzqdwMnlKdTSfhy");
BENCHMARK_CAPTURE(
    WrongPassword, bcrypt_12,
    "$2y$12$MR9ZDi7cVtNgTM3wvrFqCu3rpxgg9794ULN/6c30J4N6XVq7tAFPe");
BENCHMARK_CAPTURE(WrongPassword, apr1,
                  "$apr1$RIhXqxWG$apVGn.etAZ7Qn55bRFse0/");
BENCHMARK_CAPTURE(WrongPassword, sha512,
                  "$6$ng8UhdUky4AVf/lr$pawmk7/1j3.u5acJY1T07e01RPUqrjOx6fnpqbQ"
                  "kTWs2BIZF7XAunldFy8pezAcFvtBvhDUpBcFl3eK54DWJn/");
// As MLflow keeps its users'.
void BM_WrongPasswordScrypt(benchmark::State& state) {
  WrongPassword(state, HashPassword("password"));
}
BENCHMARK(BM_WrongPasswordScrypt);

}  // namespace
}  // namespace millstream::auth
