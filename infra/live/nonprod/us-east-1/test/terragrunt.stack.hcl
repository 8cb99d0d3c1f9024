# test: the same blue/green as production, at the smallest size.

unit "ecs-bluegreen" {
  source = "${get_repo_root()}/infra/units/ecs-bluegreen"
  path   = "ecs-bluegreen"

  values = {
    inputs = {
      image_tag    = "1.5.0"
      nat          = "single"
      off_hours    = {}
      alarm_emails = ["oncall@example.com"]
    }
  }
}
