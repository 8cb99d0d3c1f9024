#!/usr/bin/env bash
# What the instance gets is right before there is an instance: cloud-init's own schema, systemd's own check of the unit,
# and the scripts run in a scratch root with a pretend aws, curl and systemctl.
# usage: user_data.sh USER_DATA_FILE
set -euo pipefail

user_data=${1:?usage: user_data.sh USER_DATA_FILE}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
fail() { echo "user_data.sh: $*" >&2; exit 1; }

if [ -n "${CLOUD_INIT:-}" ]; then
  $CLOUD_INIT schema --config-file "$user_data" || fail "cloud-init refuses it"
fi

# The files as cloud-init would write them.
python3 - "$user_data" "$root" <<'PY'
import json, os, sys
text = open(sys.argv[1]).read()
assert text.startswith("#cloud-config\n"), "the first line must be #cloud-config"
config = json.loads(text.split("\n", 1)[1])
for entry in config["write_files"]:
    path = sys.argv[2] + entry["path"]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write(entry["content"])
    os.chmod(path, int(entry["permissions"], 8))
commands = [command[0] for command in config["runcmd"] if isinstance(command, list)]
assert "/usr/local/lib/opsconsole-api/install-release" in commands, "the release must be installed at the first boot"
PY

if command -v systemd-analyze >/dev/null; then
  # The unit names programs of the instance, so they must be there for the check.
  mkdir -p "$root/usr/local/bin" && printf '#!/bin/sh\n' >"$root/usr/local/bin/opsconsole-api" && chmod +x "$root/usr/local/bin/opsconsole-api"
  unit=$root/opsconsole-api.service
  sed "s#=\(+\?\)/usr/local/#=\1$root/usr/local/#; s#=/etc/opsconsole-api/env#=$root/etc/opsconsole-api/env#" \
    "$root/etc/systemd/system/opsconsole-api.service" >"$unit"
  said=$(systemd-analyze verify --man=no "$unit" 2>&1) || fail "systemd refuses the unit: $said"
  [[ $said != *opsconsole-api.service:* ]] || fail "systemd warns: $said"
  rm -r "$root/usr/local/bin"
fi

# A pretend AWS, curl and systemctl, beside the real tools.
bin=$root/bin
mkdir -p "$bin" "$root/bucket/releases/1.5.0" "$root/bucket/releases/1.6.0" "$root/run"
cat >"$bin/aws" <<'SH'
#!/usr/bin/env bash
case "$1 $2" in
  "s3 cp") cp "$BUCKET/${4#s3://*/}" "$5" ;;
  "secretsmanager get-secret-value") case $4 in *rds*) echo '{"username":"app","password":"a\"b\\c"}' ;; *) echo plain ;; esac ;;
  *) exit 1 ;;
esac
SH
# shellcheck disable=SC2016  # for the pretend programs
printf '#!/bin/sh\necho "$@" >>"$CALLS"\n' >"$bin/systemctl"
# The pretend service is well exactly when the release that is linked says so.
# shellcheck disable=SC2016
printf '#!/bin/sh\nexec grep -q well "$ROOT/usr/local/bin/opsconsole-api"\n' >"$bin/curl"
printf '#!/bin/sh\n' >"$bin/sleep"
chmod +x "$bin"/*
for release in 1.5.0:well 1.6.0:ill; do
  file=$root/bucket/releases/${release%:*}/opsconsole-api
  echo "${release#*:}" >"$file"
  sha256sum "$file" | cut -d' ' -f1 >"$file.sha256"
done
export PATH="$bin:$PATH" ROOT=$root BUCKET=$root/bucket CALLS=$root/calls TRIES=2
install=$root/usr/local/lib/opsconsole-api/install-release

"$install" 1.5.0 >/dev/null || fail "a good release was not installed"
grep -q well "$root/usr/local/bin/opsconsole-api" || fail "the good release does not run"
if "$install" 1.6.0 >/dev/null 2>"$root/said"; then fail "a release that never gets well was accepted"; fi
grep -q "1.5.0 runs again" "$root/said" || fail "after a bad release the good one must run again: $(<"$root/said")"
grep -q well "$root/usr/local/bin/opsconsole-api" || fail "the good release does not run again"
grep -q '^OPSCONSOLE_API_RELEASE=1.5.0$' "$root/etc/opsconsole-api/env" || fail "the environment names the wrong release"
echo tampered >"$root/bucket/releases/1.6.0/opsconsole-api"
if "$install" 1.6.0 >/dev/null 2>&1; then fail "a binary with another checksum was installed"; fi
if "$install" '../../etc' >/dev/null 2>&1; then fail "a path was taken for a release"; fi

SECRETS_LIST=$root/etc/opsconsole-api/secrets SECRETS_OUT=$root/run/secrets.env "$root/usr/local/lib/opsconsole-api/fetch-secrets"
grep -qxF 'PGPASSWORD="a\"b\\c"' "$root/run/secrets.env" || fail "the password is not quoted as systemd reads it: $(<"$root/run/secrets.env")"
[ "$(stat -c %a "$root/run/secrets.env")" = 600 ] || fail "the secrets can be read by others"
# What verify says when the database does not answer and the buckets do not give back what was written.
said=$("$root/usr/local/lib/opsconsole-api/verify") && fail "verify must see that the database does not answer"
for what in "ok    health on port 8000" "FAIL  database at db.example.com" "FAIL  read and write in c" "ok    way to Tavily" "ok    way to Gemini"; do
  [[ $said == *"$what"* ]] || fail "verify must say \"$what\": $said"
done
echo "user_data.sh: unit, scripts, rollback on the instance and secrets are right"
