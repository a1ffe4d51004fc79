#!/usr/bin/env bash
# Deploys the checked-out commit to Railway: checks, migrates, deploys, waits until it is ready.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
  cat <<'TEXT'
usage: ./deploy.sh [--dry-run] [--service NAME] [--environment NAME] [--url URL] [--wait SECONDS]

  --dry-run        check everything, say what would be done, change nothing
  --service        the Railway service (default: the one this folder is linked to)
  --environment    the Railway environment (default: the one this folder is linked to)
  --url            where the service is reached (default: https://RAILWAY_PUBLIC_DOMAIN)
  --wait           how long it may take to be ready (default: 600)

Sign in with `railway login`, or set RAILWAY_TOKEN. With a Supabase project over HTTP alone
(SUPABASE_URL without DATABASE_URL), the schema is brought up to date from here: set DATABASE_URL
in this shell to the project's connection string.
TEXT
}

dry_run='' url='' wait_s=600
target=()
while [ $# -gt 0 ]; do
  case "$1" in
    --dry-run) dry_run=yes ;;
    --service | --environment)
      [ -n "${2:-}" ] || { usage >&2; exit 2; }
      target+=("$1" "$2"); shift ;;
    --url) url=${2:-}; [ -n "$url" ] || { usage >&2; exit 2; }; shift ;;
    --wait)
      wait_s=${2:-}; shift
      [[ "$wait_s" =~ ^[0-9]+$ ]] || { usage >&2; exit 2; } ;;
    -h | --help) usage; exit 0 ;;
    *) echo "deploy.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done

step() { printf '\n== %s\n' "$1"; }
fail() { printf 'deploy.sh: %s\n' "$@" >&2; exit 1; }

# What is found is told together, at the end of the checks.
needed=()
has() { command -v "$1" >/dev/null; }

step "Tools"
has railway || needed+=("railway: npm install --global @railway/cli")
has curl || needed+=("curl: from your system's packages")
has git || needed+=("git: from your system's packages")
has python3 || needed+=("python3: 3.11 or newer")
[ "${#needed[@]}" -gt 0 ] || echo "railway, curl, git, python3"
is_signed_in=''
if has railway; then
  if [ -n "${RAILWAY_TOKEN:-}" ] || railway whoami >/dev/null 2>&1; then
    is_signed_in=yes
  else
    needed+=("a sign-in to Railway: run railway login, or set RAILWAY_TOKEN")
  fi
fi

step "Commit"
if has git; then
  [ -z "$(git status --porcelain)" ] ||
    needed+=("a commit: there are changes that are not committed, and what is deployed should be what is in git")
  commit=$(git rev-parse --short HEAD)
  git log -1 --format='%h %s'
fi

step "Variables"
# No value is printed, here or in what fails.
value_of() {
  python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1]) or "")' "$1" <<<"$variables"
}
check_variables() {
  local has_database='' has_volume=''
  [ -z "$(value_of DATABASE_URL)$(value_of SUPABASE_URL)" ] || has_database=yes
  [ -z "$(value_of RAILWAY_VOLUME_MOUNT_PATH)" ] || has_volume=yes
  if [ -z "$has_database" ] && [ -z "$has_volume" ]; then
    needed+=("DATABASE_URL, or SUPABASE_URL and SUPABASE_SERVICE_KEY; or a volume mounted at /data")
  fi
  if [ -n "$(value_of SUPABASE_URL)" ] && [ -z "$(value_of SUPABASE_SERVICE_KEY)" ]; then
    needed+=("SUPABASE_SERVICE_KEY: the project's service key")
  fi
  if [ -n "$has_database" ] && [ -z "$(value_of REDIS_URL)" ]; then
    needed+=("REDIS_URL: the old and the new process of a deploy share it (railway add --database redis)")
  fi
  local key keys
  IFS=',' read -ra keys <<<"$(value_of ENCRYPTION_KEY)"
  [ -z "$has_database" ] || [ "${#keys[@]}" -gt 0 ] || keys=('')
  for key in ${keys[@]+"${keys[@]}"}; do
    [ "${#key}" -ge 32 ] ||
      { needed+=("ENCRYPTION_KEY: 32 random characters or more, for example from openssl rand -base64 32"); break; }
  done
  if [ -z "$has_database" ] && [ -n "$has_volume" ] && [ "$(value_of RAILWAY_RUN_UID)" != 0 ]; then
    needed+=("RAILWAY_RUN_UID=0: Railway mounts volumes for root; PostgreSQL still gets a user of its own")
  fi
  url=${url:-$(value_of RAILWAY_PUBLIC_DOMAIN)}
  [ -n "$url" ] || needed+=("a public address: railway domain, or --url")
  if [ -z "$(value_of DATABASE_URL)" ] && [ -n "$(value_of SUPABASE_URL)" ] && [ -z "${DATABASE_URL:-}" ]; then
    needed+=("set DATABASE_URL in this shell to the Supabase project's connection string: it is migrated from here")
  fi
  if [ -z "$(value_of DATABASE_URL)" ] && [ -n "$(value_of SUPABASE_URL)" ]; then
    has make || needed+=("make: from your system's packages; the Supabase project is migrated from here")
  fi
}
if [ -n "$is_signed_in" ] && has python3; then
  if ! variables=$(railway variables ${target[@]+"${target[@]}"} --json); then
    needed+=("a linked service: railway variables failed; run railway link, or name --service")
  elif ! python3 -c 'import json, sys; sys.exit(not isinstance(json.load(sys.stdin), dict))' \
    <<<"$variables" 2>/dev/null; then
    needed+=("another railway: railway variables --json gave no JSON object; npm install --global @railway/cli")
  else
    check_variables
  fi
else
  echo "not looked at yet: railway, a sign-in or python3 is missing"
fi
[ "${#needed[@]}" -eq 0 ] || fail "these are missing:" "${needed[@]}"
case "$url" in http://* | https://*) ;; *) url="https://$url" ;; esac
echo "complete; served at $url"

step "Schema"
if [ -n "$(value_of DATABASE_URL)" ]; then
  echo "migrated by Railway before the new process starts (railway.json, preDeployCommand)"
elif [ -n "$(value_of SUPABASE_URL)" ]; then
  if [ -n "$dry_run" ]; then
    echo "would run: make migrate"
  else
    make --silent migrate
  fi
else
  echo "migrated by the service when it starts on its volume"
fi

if [ -n "$dry_run" ]; then
  step "Dry run"
  echo "would run: railway up --ci ${target[*]-}"
  echo "would wait up to $wait_s s for $url/health/ready"
  exit 0
fi

step "Deploy $commit"
railway up --ci ${target[@]+"${target[@]}"}

step "Ready"
deadline=$((SECONDS + wait_s))
# Railway may not know of the deployment yet.
status_of='
import json, sys
try:
    print(json.load(sys.stdin)[0]["status"])
except (ValueError, LookupError, TypeError):
    print("unknown")'
until state=$(railway deployment list ${target[@]+"${target[@]}"} --json |
  python3 -c "$status_of") &&
  [ "$state" = SUCCESS ]; do
  case "$state" in
    FAILED | CRASHED | REMOVED | SKIPPED) fail "the deployment ended as $state: railway logs says why" ;;
  esac
  [ "$SECONDS" -lt "$deadline" ] || fail "not deployed after $wait_s s (${state:-unknown}): railway logs says why"
  sleep 2
done
until curl --fail --silent --show-error --max-time 5 "$url/health/ready"; do
  [ "$SECONDS" -lt "$deadline" ] || fail "not ready after $wait_s s: railway logs says why"
  sleep 2
done
printf '\n%s is live at %s\n' "$commit" "$url"
