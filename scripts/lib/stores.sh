# scripts/lib/stores.sh — a private Redis and a private MariaDB under the data directory. Sourced, never run.
#
# Both listen on a unix socket in a directory of mode 0700 and on no port at all: nobody else can reach
# them, and they can neither meet nor harm the system's own.
# shellcheck shell=bash

# Where the socket lies, seen from the data directory. The servers make them from inside their own.
redis_socket=redis/redis.sock
mariadb_socket=mariadb/mariadb.sock
database=deltadyno
database_user=ddt

redis_answers() { [[ $(redis-cli -s "$redis_socket" ping 2>/dev/null) == PONG ]]; }

start_redis() {
  mkdir -p "${data:?}/redis"
  start_process redis redis-server --port 0 --dir "$data/redis" --unixsocket redis.sock --unixsocketperm 700 \
    --appendonly yes --appendfsync everysec --save '' --auto-aof-rewrite-min-size 1gb \
    --hash-max-listpack-entries 64 --maxmemory 1gb --maxmemory-policy noeviction
  # Loading a large journal takes time: until then it answers LOADING.
  wait_until 120 redis redis_answers || { tail_of_log redis && die "Redis did not start"; }
}

# sql STATEMENT: as root, tab-separated, without headings.
sql() { mariadb --no-defaults --socket="$mariadb_socket" --user=root --batch --skip-column-names -e "$1"; }

# A data directory is moved into place only when it is whole.
make_mariadb_directory() {
  rm -rf "$data/mariadb.new"
  mariadb-install-db --no-defaults --auth-root-authentication-method=normal --skip-test-db \
    --user="$(id -un)" --datadir="$data/mariadb.new" --tmpdir="$data" >"$data/log/mariadb-install.log" 2>&1 || {
    tail_of_log mariadb-install
    die "mariadb-install-db failed"
  }
  mv "$data/mariadb.new" "$data/mariadb"
}

start_mariadb() {
  [[ -d $data/mariadb ]] || make_mariadb_directory
  local server
  server=$(PATH=$PATH:/usr/sbin command -v mariadbd) || die "mariadbd is not installed"
  # A relative socket path counts from its data directory.
  start_process mariadb "$server" --no-defaults --user="$(id -un)" --datadir="$data/mariadb" \
    --socket=mariadb.sock --skip-networking --pid-file="$data/mariadb/mariadb.pid" --tmpdir="$data" \
    --skip-name-resolve
  # After a kill it recovers first.
  wait_until 300 mariadb sql 'SELECT 1' || { tail_of_log mariadb && die "MariaDB did not start"; }
  sql "CREATE DATABASE IF NOT EXISTS $database CHARACTER SET utf8mb4;
       CREATE USER IF NOT EXISTS '$database_user'@'localhost';
       GRANT ALL ON $database.* TO '$database_user'@'localhost'"
}
