#!/usr/bin/env bash
# Keeps a few items with curl and jq; what an operation is called and where it is stands in the service's own document.
# Needs API (the address) and KEY (a key of a writer). Prints expected.txt.
set -euo pipefail

document=$(curl --silent --show-error --fail "$API/openapi.json")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# operation ID PATH-OR-QUERY CURL-ARGUMENT…: calls what the document names ID; {id} in its path becomes the second
# argument, which is otherwise a query. Leaves $status, $work/head and $work/body.
operation() {
  local operation_id=$1 rest=$2 method path
  shift 2
  read -r method path < <(jq -r --arg id "$operation_id" '.paths | to_entries[] | .key as $path | .value | to_entries[]
    | select(.value.operationId? == $id) | "\(.key | ascii_upcase) \($path)"' <<<"$document")
  case $path in
    *'{id}'*) path=${path/\{id\}/$rest} ;;
    *) path=$path${rest:+?$rest} ;;
  esac
  status=$(curl --silent --show-error --request "$method" --header "Authorization: Bearer $KEY" \
    --header "Content-Type: application/json" --dump-header "$work/head" --output "$work/body" \
    --write-out '%{http_code}' "$@" "$API$path")
}

# succeeds: ends with the problem that the service answered, where it did.
succeeds() {
  ((status < 400)) || {
    cat "$work/body" >&2
    exit 1
  }
}

header() { sed -n "s/^$1: \(.*\)\r$/\1/Ip" "$work/head"; }
body() { jq -r "$1" "$work/body"; }

# A reader of any of these may be cut off and send the request again: it makes one item.
run=curl-$$-$RANDOM ids=()
for name in tea coffee cocoa; do
  for _ in first again; do
    operation create_item "" --header "Idempotency-Key: $run-$name" --data "{\"name\": \"$run $name\"}"
    succeeds
  done
  ids+=("$(body .id)")
done
echo "made ${#ids[@]} items; sent again: $status, replayed $(header idempotency-replayed)"

operation read_item "${ids[0]}"
succeeds
etag=$(header etag)
operation read_item "${ids[0]}" --header "If-None-Match: $etag"
echo "read $etag; read again: $status"

operation change_item "${ids[0]}" --header "If-Match: $etag" --data '{"description": "green"}'
succeeds
echo "changed: $(body .description), $(header etag)"

operation change_item "${ids[0]}" --header "If-Match: $etag" --data '{"description": "black"}'
echo "changed on the old state: $status $(body .type)"

cursor="" found=0 pages=0
while true; do
  operation list_items "limit=2&name_contains=$run${cursor:+&cursor=$cursor}"
  succeeds
  found=$((found + $(body '.items | length'))) pages=$((pages + 1)) cursor=$(body '.next_cursor // ""')
  [[ -n $cursor ]] || break
done
echo "listed $found items on $pages pages"

for id in "${ids[@]}"; do
  operation delete_item "$id" --header "If-Match: *"
  succeeds
done
operation read_item "${ids[0]}"
echo "removed: $status $(body .type)"

operation create_item "" --data '{"name": ""}'
echo "refused: $status $(body .type), $(body '.errors[0].pointer') $(body '.errors[0].detail')"
