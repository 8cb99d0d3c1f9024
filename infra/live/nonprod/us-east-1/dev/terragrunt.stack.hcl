# dev: small, off at night, the cheapest of each.

unit "ec2" {
  source = "${get_repo_root()}/infra/units/ec2"
  path   = "ec2"

  values = {
    inputs = {
      release      = "1.5.0"
      off_hours    = {}
      alarm_emails = ["oncall@example.com"]
      budget_usd   = 50
    }
  }
}
