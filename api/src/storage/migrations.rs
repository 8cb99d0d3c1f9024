//! The migrations of this release, which only ever expand the schema.

use sqlx::migrate::Migrator;

use super::Schema;

/// Embedded at build time. Migrations of later releases are not in it and are left alone.
pub(super) fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("./migrations");
    migrator.set_ignore_missing(true);
    migrator
}

/// Compares the versions applied in a database with those of a release.
pub(super) fn compare(applied: &[i64], ours: &[i64]) -> Schema {
    if ours.iter().any(|version| !applied.contains(version)) {
        Schema::Behind
    } else if applied.iter().any(|version| !ours.contains(version)) {
        Schema::Newer
    } else {
        Schema::Current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_told_from_one_that_is_behind() {
        assert_eq!(compare(&[1, 2], &[1, 2]), Schema::Current);
        assert_eq!(compare(&[1, 2, 3], &[1, 2]), Schema::Newer);
        assert_eq!(compare(&[1], &[1, 2]), Schema::Behind);
        assert_eq!(compare(&[], &[1]), Schema::Behind);
        assert_eq!(compare(&[1, 3], &[1, 2]), Schema::Behind);
    }

    #[test]
    fn migrations_only_expand() {
        for migration in migrator().iter() {
            let sql: String = migration
                .sql
                .as_str()
                .lines()
                .map(|line| line.split("--").next().unwrap_or_default())
                .collect::<Vec<_>>()
                .join(" ")
                .to_uppercase();
            for statement in sql.split(';').map(str::trim) {
                let shrinks = ["DROP ", "RENAME ", "DELETE ", "TRUNCATE "]
                    .iter()
                    .any(|word| statement.contains(word));
                let breaks_inserts_of_older_releases = statement.contains("ADD COLUMN")
                    && statement.contains("NOT NULL")
                    && !statement.contains("DEFAULT");
                assert!(
                    !shrinks && !breaks_inserts_of_older_releases,
                    "migration {} breaks the release before it: {statement}",
                    migration.version
                );
            }
        }
    }
}
