#!/usr/bin/env bash
# Lets Schemathesis (PyPI) send whatever the OpenAPI document allows, and much that it does not, to a throw-away API:
# no answer may be a 5xx or one that the document does not describe.
#
#   api/tests/schemathesis.sh
#
# OPSCONSOLE_API_BIN   the opsconsole-api to try (built when not given)
# SCHEMATHESIS_VENV    a Python environment to use and keep (target/tools/schemathesis when not given)
# SCHEMATHESIS_SEED    what to draw the requests from, to see a failure again
set -euo pipefail
# shellcheck source=api/tests/served.sh
source "$(dirname "${BASH_SOURCE[0]}")/served.sh"

venv=${SCHEMATHESIS_VENV:-$root/target/tools/schemathesis}
python_with "$venv" schemathesis==4.32.5
serve OPSCONSOLE_API_RATE_LIMIT_PER_SECOND=100000

# Left out, since the document cannot say it: whether a valid cursor, entity tag or idempotency key is accepted depends
# on what came before (positive_data_acceptance), and a change without If-Match is 428 instead of 406
# (missing_required_header).
cd "$work"
# By itself it takes no limit of size for a refusal.
cat >schemathesis.toml <<'END'
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 414, 415, 422, 428, 429, 431]
END
timeout 240 "$venv/bin/schemathesis" run openapi.json --url "$url" \
  --header "Authorization: Bearer $key" \
  --phases coverage,fuzzing,stateful --max-examples 8 ${SCHEMATHESIS_SEED:+--seed "$SCHEMATHESIS_SEED"} \
  --exclude-checks positive_data_acceptance,missing_required_header \
  --generation-database none --no-color
logged_no_errors
