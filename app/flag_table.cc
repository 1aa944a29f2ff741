#include "app/flags.h"

namespace millstream::app {
namespace {

constexpr std::string_view kStorage = "Storage";
constexpr std::string_view kNetwork = "Network";
constexpr std::string_view kSecurity = "Security";
constexpr std::string_view kWatching = "Watching it";
constexpr std::string_view kOther = "Accepted for mlflow's sake";

constexpr Flag kFlags[] = {
    {kStorage, "data-dir", "", "MILLSTREAM_DATA_DIR", "FOLDER",
     "./millstream-data", Policy::kOwn,
     "Where everything is kept: runs, params and tags (SQLite), metric points "
     "(RocksDB), and artifacts unless --artifacts-destination says otherwise. "
     "Made if it is not there.",
     ""},
    {kStorage, "durability", "", "MILLSTREAM_DURABILITY", "LEVEL", "machine",
     Policy::kOwn,
     "Which crash an acknowledged write survives: 'machine' (power loss; every "
     "answer waits for the disk) or 'process' (kill -9 of the server).",
     ""},
    {kStorage, "artifacts-destination", "", "MLFLOW_ARTIFACTS_DESTINATION",
     "URI", "<data-dir>/artifacts", Policy::kSupported,
     "Where proxied artifacts go: a folder (a path or a file: URI) or "
     "s3://bucket/prefix. Buckets are reached as MLFLOW_S3_ENDPOINT_URL and "
     "AWS's environment variables and profiles say.",
     ""},
    {kStorage, "default-artifact-root", "", "MLFLOW_DEFAULT_ARTIFACT_ROOT",
     "URI", "mlflow-artifacts:/", Policy::kSupported,
     "Where artifacts of new experiments go: through this server, or to a "
     "folder or s3://bucket/prefix that clients write themselves. Without "
     "--serve-artifacts the default is --artifacts-destination.",
     ""},
    {kStorage, "serve-artifacts", "", "MLFLOW_SERVE_ARTIFACTS", "", "true",
     Policy::kSupported, "Let clients send and fetch artifacts through us.", "",
     true},
    {kStorage, "presigned-download-seconds", "",
     "MLFLOW_PRESIGNED_DOWNLOAD_URL_TTL_SECONDS", "SECONDS", "300",
     Policy::kOwn,
     "How long a URL is good by which clients fetch a file from its bucket "
     "themselves.",
     ""},
    {kStorage, "backend-store-uri", "", "MLFLOW_BACKEND_STORE_URI", "URI", "",
     Policy::kMapped,
     "Database that holds runs and models, in MLflow's own tables, instead of "
     "--data-dir: postgresql://user:password@host/database, mysql://... or "
     "sqlite:///file.db. It is filled with tables if it is empty, and may be "
     "MLflow's before and after.",
     "the database must be of MLflow 3.17.2; folders of runs are refused"},
    {kStorage, "registry-store-uri", "", "MLFLOW_REGISTRY_STORE_URI", "URI", "",
     Policy::kMapped, "Database of models.",
     "models are kept with the runs, so it may only repeat "
     "--backend-store-uri"},
    {kStorage, "backend-pool-size", "", "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE",
     "NUMBER", "15", Policy::kOwn,
     "Connections to a database server that stay open once they were needed.",
     ""},
    {kStorage, "backend-max-overflow", "",
     "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW", "NUMBER", "10", Policy::kOwn,
     "Connections beyond those while all are in use; -1 for as many as are "
     "needed.",
     ""},
    {kStorage, "backend-pool-recycle", "",
     "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE", "SECONDS", "-1", Policy::kOwn,
     "Age at which a connection is no longer used; -1: none is too old.", ""},
    {kStorage, "backend-wait", "", "MILLSTREAM_BACKEND_WAIT", "SECONDS", "120",
     Policy::kOwn,
     "How long a start waits for a database server that is not there yet.", ""},
    {kStorage, "backend-statement-timeout", "",
     "MILLSTREAM_BACKEND_STATEMENT_TIMEOUT", "SECONDS", "300", Policy::kOwn,
     "After which the database server ends a statement; 0: it ends none.", ""},
    {kStorage, "mysql-ssl-ca", "", "MLFLOW_MYSQL_SSL_CA", "FILE", "",
     Policy::kOwn,
     "Of a MySQL server: certificates of those who may have signed its own; it "
     "is verified then.",
     ""},
    {kStorage, "mysql-ssl-cert", "", "MLFLOW_MYSQL_SSL_CERT", "FILE", "",
     Policy::kOwn, "The certificate to show a MySQL server that asks for one.",
     ""},
    {kStorage, "mysql-ssl-key", "", "MLFLOW_MYSQL_SSL_KEY", "FILE", "",
     Policy::kOwn, "Its key.", ""},
    {kStorage, "read-replica-backend-store-uri", "",
     "MLFLOW_READ_REPLICA_BACKEND_STORE_URI", "URI", "", Policy::kRefused,
     "Database to read from.", "the store in --data-dir has no replicas"},
    {kStorage, "artifacts-only", "", "MLFLOW_ARTIFACTS_ONLY", "", "false",
     Policy::kRefused, "Serve artifacts and nothing else.",
     "this server always tracks runs too; leave the flag out"},

    {kNetwork, "host", "h", "MLFLOW_HOST", "ADDRESS", "127.0.0.1",
     Policy::kSupported,
     "Interface to listen on, for both doors; 0.0.0.0 is all of them. This is "
     "no access control: see --allowed-hosts.",
     ""},
    {kNetwork, "port", "p", "MLFLOW_PORT", "PORT", "5000", Policy::kSupported,
     "Port of the REST API and the UI; 0 takes a free one.", ""},
    {kNetwork, "grpc-port", "", "MILLSTREAM_GRPC_PORT", "PORT", "5001",
     Policy::kOwn, "Port of the gRPC API; 0 takes a free one.", ""},
    {kNetwork, "port-file", "", "MILLSTREAM_PORT_FILE", "FILE", "",
     Policy::kOwn,
     "Write the two ports there, \"<port> <grpc port>\", once both doors are "
     "open.",
     ""},
    {kNetwork, "static-prefix", "", "MLFLOW_STATIC_PREFIX", "PATH", "",
     Policy::kSupported,
     "Path in front of UI and API, for a proxy that serves us below a path; "
     "starts with / and does not end with one.",
     ""},
    {kNetwork, "tls-cert", "", "MILLSTREAM_TLS_CERT", "FILE", "", Policy::kOwn,
     "Speak TLS (1.2 and later) at both doors, with this certificate and those "
     "between it and its root, in PEM. Read again within a second when it "
     "changes; connections that are open go on.",
     ""},
    {kNetwork, "tls-key", "", "MILLSTREAM_TLS_KEY", "FILE", "", Policy::kOwn,
     "Key of --tls-cert, in PEM and without a passphrase.", ""},
    {kNetwork, "tls-client-ca", "", "MILLSTREAM_TLS_CLIENT_CA", "FILE", "",
     Policy::kOwn,
     "Serve nobody, not even /health, without a certificate of one of these "
     "authorities (PEM).",
     ""},
    {kNetwork, "trusted-proxies", "", "MILLSTREAM_TRUSTED_PROXIES", "LIST", "",
     Policy::kOwn,
     "Addresses or networks, with commas between, of proxies whose "
     "X-Forwarded-For, -Proto, -Host and -Prefix are believed.",
     ""},
    {kNetwork, "workers", "w", "MLFLOW_WORKERS", "NUMBER", "", Policy::kIgnored,
     "Worker processes.",
     "one process serves all requests with as many threads as it needs"},
    {kNetwork, "ui-dir", "", "MILLSTREAM_UI_DIR", "FOLDER",
     "ui/build beside the program", Policy::kOwn,
     "MLflow's built UI (index.html in it). Without it there is the API only.",
     ""},

    {kSecurity, "allowed-hosts", "", "MLFLOW_SERVER_ALLOWED_HOSTS", "LIST", "",
     Policy::kSupported,
     "Host headers that are answered, with commas between: names, "
     "*.example.com, addresses, 10.0.0.0/8, or * for all. Default: localhost "
     "and private addresses.",
     ""},
    {kSecurity, "cors-allowed-origins", "",
     "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "LIST", "", Policy::kSupported,
     "Web origins whose pages may call the API, with commas between, or * for "
     "all. Default: those of this machine.",
     ""},
    {kSecurity, "x-frame-options", "", "MLFLOW_SERVER_X_FRAME_OPTIONS", "VALUE",
     "SAMEORIGIN", Policy::kSupported,
     "Who may show the UI in a frame: SAMEORIGIN, DENY, or NONE for all.", ""},
    {kSecurity, "disable-security-middleware", "",
     "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", "", "false",
     Policy::kSupported,
     "Check neither Host nor Origin. Any web page that you open could then "
     "use this server.",
     ""},
    {kSecurity, "auth-user", "", "MLFLOW_TRACKING_USERNAME", "NAME", "",
     Policy::kOwn,
     "Ask every caller, at both doors, for this user name and the password "
     "of --auth-password. Only /health is open then.",
     ""},
    {kSecurity, "auth-password", "", "MLFLOW_TRACKING_PASSWORD", "PASSWORD", "",
     Policy::kOwn,
     "Password of --auth-user. Set the variable rather than the flag: command "
     "lines can be read by everybody on the machine.",
     ""},
    {kSecurity, "htpasswd-file", "", "MILLSTREAM_HTPASSWD_FILE", "FILE", "",
     Policy::kOwn,
     "Ask every caller for a name and password of this file, which `htpasswd "
     "-B` makes (bcrypt, apr1, SHA, crypt's $5$ and $6$). Read again within a "
     "second when it changes. Goes before --auth-user.",
     ""},
    {kSecurity, "token-file", "", "MILLSTREAM_TOKEN_FILE", "FILE", "",
     Policy::kOwn,
     "Take tokens (MLFLOW_TRACKING_TOKEN of clients) of this file, lines "
     "\"user:sha256:<digits>\", besides passwords. Read again within a second "
     "when it changes.",
     ""},
    {kSecurity, "app-name", "", "", "NAME", "", Policy::kSupported,
     "'basic-auth': users, roles and permissions as MLflow's app of that name "
     "keeps them, with its API and its database.",
     ""},
    {kSecurity, "auth-config", "", "MLFLOW_AUTH_CONFIG_PATH", "FILE", "",
     Policy::kOwn,
     "basic_auth.ini of --app-name basic-auth: default_permission, "
     "database_uri (SQLite, PostgreSQL, MySQL), admin_username, "
     "admin_password.",
     ""},
    {kSecurity, "auth-admin-user", "", "MLFLOW_AUTH_ADMIN_USERNAME", "NAME", "",
     Policy::kOwn,
     "Administrator that --app-name basic-auth makes if it is not there "
     "[admin].",
     ""},
    {kSecurity, "auth-admin-password", "", "MLFLOW_AUTH_ADMIN_PASSWORD",
     "PASSWORD", "", Policy::kOwn,
     "Password of the administrator that is made, of 12 characters at least; "
     "without effect once that user is there. Set the variable rather than the "
     "flag.",
     ""},

    {kWatching, "expose-prometheus", "", "MLFLOW_EXPOSE_PROMETHEUS", "FOLDER",
     "", Policy::kMapped,
     "Show the server's own series to Prometheus at /metrics.",
     "nothing is written to the folder; any value turns /metrics on"},
    {kWatching, "log-format", "", "MILLSTREAM_LOG_FORMAT", "FORMAT", "text",
     Policy::kOwn, "Form of the log's lines: 'text' or 'json'.", ""},
    {kWatching, "access-log", "", "MILLSTREAM_ACCESS_LOG", "", "false",
     Policy::kOwn,
     "Write a line to the log for each answer, over HTTP and over gRPC.", ""},

    {kOther, "gunicorn-opts", "", "MLFLOW_GUNICORN_OPTS", "TEXT", "",
     Policy::kIgnored, "Options of a Python web server.",
     "no Python web server runs here"},
    {kOther, "uvicorn-opts", "", "MLFLOW_UVICORN_OPTS", "TEXT", "",
     Policy::kIgnored, "Options of a Python web server.",
     "no Python web server runs here"},
    {kOther, "waitress-opts", "", "", "TEXT", "", Policy::kIgnored,
     "Options of a Python web server.", "no Python web server runs here"},
    {kOther, "dev", "", "", "", "false", Policy::kIgnored,
     "Reload changed Python code.", "there is no Python code to reload"},
    {kOther, "trace-archival-config", "", "MLFLOW_TRACE_ARCHIVAL_CONFIG",
     "FILE", "", Policy::kRefused, "Archive of traces.",
     "traces are not kept yet, so none would be archived"},
    {kOther, "secrets-cache-ttl", "", "", "SECONDS", "", Policy::kIgnored,
     "Cache of gateway secrets.",
     "there is no AI gateway whose secrets to keep"},
    {kOther, "secrets-cache-max-size", "", "", "NUMBER", "", Policy::kIgnored,
     "Cache of gateway secrets.",
     "there is no AI gateway whose secrets to keep"},
    {kOther, "enable-workspaces", "", "MLFLOW_ENABLE_WORKSPACES", "", "false",
     Policy::kRefused, "Separate workspaces.",
     "all experiments are in one workspace; leave the flag out"},
    {kOther, "disable-workspaces", "", "", "", "true", Policy::kIgnored,
     "No separate workspaces.", "this is how it is"},
    {kOther, "workspace-store-uri", "", "MLFLOW_WORKSPACE_STORE_URI", "URI", "",
     Policy::kRefused, "Database of workspaces.",
     "all experiments are in one workspace; leave the flag out"},
};

// So that nobody believes that a database was copied or looked at.
constexpr Flag kBackend = {
    kStorage, "backend-store-uri", "", "MLFLOW_BACKEND_STORE_URI", "URI", "",
    Policy::kRefused, "Database that holds runs and models.",
    "this is for data folders alone; of a database use its own tools "
    "(pg_dump and pg_amcheck, mysqldump and mysqlcheck, or sqlite3 with "
    "\".backup\" and \"PRAGMA integrity_check\"), and copy the bucket or "
    "folder of artifacts after it"};

constexpr Flag kCheckFlags[] = {
    {kStorage, "data-dir", "", "MILLSTREAM_DATA_DIR", "FOLDER",
     "./millstream-data", Policy::kOwn,
     "The server's own --data-dir, or a backup. No server may have it open.",
     ""},
    kBackend,
};

constexpr Flag kBackupFlags[] = {
    {kStorage, "data-dir", "", "MILLSTREAM_DATA_DIR", "FOLDER",
     "./millstream-data", Policy::kOwn, "The server's own --data-dir.", ""},
    {kStorage, "to", "", "", "FOLDER", "", Policy::kOwn,
     "Where the copy goes: a folder that is not there yet, or is empty, as the "
     "root of a volume. Half a copy is known as one.",
     ""},
    kBackend,
};

constexpr Flag kRestoreFlags[] = {
    {kStorage, "from", "", "", "FOLDER", "", Policy::kOwn,
     "What `millstream backup` has made.", ""},
    {kStorage, "data-dir", "", "MILLSTREAM_DATA_DIR", "FOLDER",
     "./millstream-data", Policy::kOwn,
     "The data folder to make: one that is not there yet, or is empty.", ""},
};

constexpr Tool kTools[] = {
    {"check", "Look whether a data folder is whole; changes nothing.",
     R"(
Looks at everything: SQLite's pages and references, checksums and records of all
metric points, charts' and searches' tables against the points; of a backup each
file, those of artifacts too. Says each fault and what to do. Ends with status 0
if there is none, else with 1.

  millstream check --data-dir /var/lib/millstream

While a server runs, check a backup:
  millstream backup --data-dir /var/lib/millstream --to /backup/today
  millstream check --data-dir /backup/today)",
     kCheckFlags},
    {"backup", "Copy a data folder, also while its server serves.",
     R"(
Runs, models, points, local artifacts and users as of one moment: all that was
acknowledged before is in the copy, and each later call wholly or not at all.
Run it where the server runs and as its user (or root). Keep copies on another
disk or machine: on the same file system large files are shared with the data
folder.

  millstream backup --data-dir /var/lib/millstream --to /backup/$(date +%F)
  millstream restore --from /backup/2026-01-31 --data-dir /var/lib/restored)",
     kBackupFlags},
    {"restore", "Make a data folder of a backup.",
     R"(
Looks first that every file is what it was when the backup was made, and leaves
nothing behind if one is not. Writes over nothing: name a new folder, start the
server with it, or move it to the old one's place.

  millstream restore --from /backup/2026-01-31 --data-dir /var/lib/restored
  millstream server --data-dir /var/lib/restored)",
     kRestoreFlags},
};

}  // namespace

absl::Span<const Flag> ServerFlags() { return kFlags; }

absl::Span<const Tool> Tools() { return kTools; }

}  // namespace millstream::app
