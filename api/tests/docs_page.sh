#!/usr/bin/env bash
# Opens /docs of a throw-away API in a headless Chromium and tries an operation there, as a person would.
#
#   api/tests/docs_page.sh
#
# OPSCONSOLE_API_BIN   the opsconsole-api to try (built when not given)
set -euo pipefail
# shellcheck source=api/tests/served.sh
source "$(dirname "${BASH_SOURCE[0]}")/served.sh"

# shellcheck disable=SC2119 # No settings of its own.
serve
python3 "$root/api/tests/docs_page.py" "$url"
logged_no_errors
