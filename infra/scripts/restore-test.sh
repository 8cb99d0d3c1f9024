#!/usr/bin/env bash
# Proves that the backups can be used: restores the database's latest snapshot into a scratch instance, asks it a question,
# measures how long it took against the promised RTO, and deletes the scratch instance whatever happened.
# usage: restore-test.sh DB_IDENTIFIER SUBNET_GROUP SECURITY_GROUP
# PSQL_QUESTION: what is asked (select count(*) from items); DB_USER, DB_NAME, DB_SECRET_ARN: how. RTO_S: 3600.
set -euo pipefail

source_db=${1:?usage: restore-test.sh DB_IDENTIFIER SUBNET_GROUP SECURITY_GROUP}
subnet_group=${2:?usage: restore-test.sh DB_IDENTIFIER SUBNET_GROUP SECURITY_GROUP}
security_group=${3:?usage: restore-test.sh DB_IDENTIFIER SUBNET_GROUP SECURITY_GROUP}
rto_s=${RTO_S:-3600}
scratch="restore-test-$(date -u +%Y%m%d%H%M%S)"

say() { echo "restore-test.sh: $*"; }

remove_scratch() {
  aws rds delete-db-instance --db-instance-identifier "$scratch" --skip-final-snapshot --delete-automated-backups >/dev/null 2>&1 ||
    say "nothing to delete, or $scratch must be deleted by hand" >&2
}

# shellcheck disable=SC2016  # the backquotes are JMESPath's
snapshot=$(aws rds describe-db-snapshots --db-instance-identifier "$source_db" \
  --query 'sort_by(DBSnapshots[?Status==`available`], &SnapshotCreateTime)[-1].DBSnapshotIdentifier' --output text)
[ "$snapshot" != None ] || { say "$source_db has no snapshot: there is no backup" >&2; exit 1; }
made=$(aws rds describe-db-snapshots --db-snapshot-identifier "$snapshot" --query 'DBSnapshots[0].SnapshotCreateTime' --output text)
age_h=$((($(date +%s) - $(date -d "$made" +%s)) / 3600))
[ "$age_h" -le "${RPO_H:-24}" ] || { say "the latest backup is $age_h h old; promised are ${RPO_H:-24}" >&2; exit 1; }
say "restoring $snapshot ($age_h h old) as $scratch"

trap remove_scratch EXIT
begun=$SECONDS
aws rds restore-db-instance-from-db-snapshot --db-instance-identifier "$scratch" --db-snapshot-identifier "$snapshot" \
  --db-subnet-group-name "$subnet_group" --vpc-security-group-ids "$security_group" --no-publicly-accessible \
  --no-multi-az --no-deletion-protection >/dev/null

while :; do
  status=$(aws rds describe-db-instances --db-instance-identifier "$scratch" --query 'DBInstances[0].DBInstanceStatus' --output text)
  [ "$status" = available ] && break
  [ $((SECONDS - begun)) -lt "$rto_s" ] || { say "$scratch is $status after $rto_s s: the RTO is missed" >&2; exit 1; }
  sleep "${POLL_S:-15}"
done

if [ -n "${DB_SECRET_ARN:-}" ]; then
  host=$(aws rds describe-db-instances --db-instance-identifier "$scratch" --query 'DBInstances[0].Endpoint.Address' --output text)
  PGPASSWORD=$(aws secretsmanager get-secret-value --secret-id "$DB_SECRET_ARN" --query SecretString --output text | jq -er .password)
  export PGPASSWORD PGSSLMODE=require
  answer=$(psql --host "$host" --username "${DB_USER:-app}" --dbname "${DB_NAME:-app}" --no-align --tuples-only \
    --command "${PSQL_QUESTION:-select count(*) from items}")
  say "asked: ${PSQL_QUESTION:-select count(*) from items}; answered: $answer"
else
  say "DB_SECRET_ARN is not set: the restored database was not asked anything"
fi
say "restored in $((SECONDS - begun)) s, promised were $rto_s"
