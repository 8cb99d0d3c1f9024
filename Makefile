# The two commands of the README, and what maintainers need besides.

.PHONY: run test lint docs screens bench bench-api judge

## Opens the console; the first start brings up the local cloud.
run:
	cargo run --package opsconsole

## Everything that can be checked on this machine; says what was not run, and why.
test:
	@.ci/test

## Format and lints, warnings denied.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

## Writes the generated pages: reference of keys and commands, configuration schema, pictures.
docs:
	cargo run --quiet --package opsconsole -- docs reference --out docs/reference
	cargo run --quiet --package opsconsole -- docs screens --out docs/screens

## Figures of this machine, side by side in one run.
bench:
	@.ci/bench

## The API beside a bare handler and two FastAPI peers; writes docs/api-figures.md.
bench-api:
	@python3 api/benches/bench.py

## The aws CLI and boto3 against the local cloud.
judge:
	cargo build --package opsconsole-local-cloud
	console/local-cloud/judge/run.sh
