# prod: blue/green with a certificate, a firewall and a database.

unit "ecs-bluegreen" {
  source = "${get_repo_root()}/infra/units/ecs-bluegreen"
  path   = "ecs-bluegreen"

  values = {
    inputs = {
      image_tag    = "1.5.0"
      domain_name  = "api.example.com"
      zone_id      = "Z0123456789ABCDEFGHIJ"
      waf          = {}
      database     = {}
      alarm_emails = ["oncall@example.com"]
      budget_usd   = 400
    }
  }
}
