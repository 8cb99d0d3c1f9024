#!/usr/bin/env bash
# Makes, changes, lists and removes an item with curl. Needs API (the address) and KEY (a key of a writer).
set -euo pipefail

call() { curl --silent --show-error --fail-with-body --header "Authorization: Bearer $KEY" "$@"; }
json=(--header "Content-Type: application/json")

item=$(call "${json[@]}" --header "Idempotency-Key: example-$$" --data '{"name": "tea"}' "$API/items")
id=$(jq -r .id <<<"$item")
version=$(jq -r .version <<<"$item")
call "${json[@]}" --request PATCH --header "If-Match: \"$version\"" --data '{"description": "green"}' "$API/items/$id"
echo
call "$API/items?limit=5&sort=-created_at"
echo
call --request DELETE --header "If-Match: *" "$API/items/$id"
echo "removed $id"
