# What the account needs before any system: state, trail, pipelines' roles.

unit "account" {
  source = "${get_repo_root()}/infra/units/account"
  path   = "account"

  values = {
    inputs = {
      ci_subjects = {
        plan  = ["repo:example/shop:pull_request"]
        apply = ["repo:example/shop:environment:nonprod"]
      }
    }
  }
}
