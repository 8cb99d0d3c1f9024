#!/usr/bin/env bash
# Links the API as one static program, for images without a C library.
#
#   api/static.sh OUT             from what `cargo test` builds: for tests
#   api/static.sh OUT --release   for images
#
# Only the last link differs from an ordinary build. RUSTFLAGS would compile every dependency once more, and with them the
# macros, which cannot be static.
set -euo pipefail

out=$(realpath -m "${1:?usage: api/static.sh OUT [--release]}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
link=(-C target-feature=+crt-static -C strip=symbols)
mkdir -p "$(dirname "$out")"

if [ "${2:-}" = --release ]; then
  # Packed relocations are 1.6 MB less; glibc applies them to a static program since 2.36 (Debian 12).
  libc=$(getconf GNU_LIBC_VERSION)
  printf '2.36\n%s\n' "${libc#glibc }" | sort --check=quiet --version-sort && link+=(-C "link-arg=-Wl,-z,pack-relative-relocs")
  cargo rustc --quiet --profile image --locked --package opsconsole-api --bin opsconsole-api -- "${link[@]}"
  install -m 755 "${CARGO_TARGET_DIR:-target}/image/opsconsole-api" "$out"
  exit
fi

# The features are unified as the tests have them: building the API alone would compile a third of it again.
library=$(cargo test --quiet --workspace --no-run --message-format=json-render-diagnostics |
  jq -r 'select(.reason == "compiler-artifact" and .target.name == "opsconsole_api" and .target.kind == ["lib"] and .profile.test == false)
    | .filenames[] | select(endswith(".rlib"))')
[ -f "$library" ] || { echo "api/static.sh: cargo named no library of the API" >&2; exit 1; }
# Put where it is to be as a whole: what is there may be running.
rustc --edition 2024 --crate-name opsconsole_api "${link[@]}" -L "dependency=$(dirname "$library")" \
  --extern "opsconsole_api=$library" api/src/main.rs -o "$out.new"
mv "$out.new" "$out"
