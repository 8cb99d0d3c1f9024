# What an instance is told at its first boot: a service under systemd, the scripts around it, the release to install.
# Holds names of secrets, no secret. Calls nothing, so that the whole text can be checked before there is an instance.

locals {
  database_url = regex("^postgres://[^@]+@(?P<host>[^:/]+)", var.database.url)

  # cloud-init takes JSON after its header line, so no value can break out of its place.
  user_data = join("\n", ["#cloud-config", jsonencode({
    packages = ["jq", "amazon-cloudwatch-agent"]
    users    = ["default", { name = "opsconsole", system = true, shell = "/sbin/nologin", no_create_home = true }]
    write_files = [
      { path = "/etc/opsconsole-api/env", permissions = "0644", content = join("", [for name in sort(keys(local.settings)) : "${name}=${local.settings[name]}\n"]) },
      { path = "/etc/opsconsole-api/install.conf", permissions = "0644", content = join("", [for name in sort(keys(local.install)) : "${name}=${local.install[name]}\n"]) },
      { path = "/etc/opsconsole-api/secrets", permissions = "0600", content = join("", [for name in sort(keys(local.secret_lines)) : "${name} ${local.secret_lines[name]}\n"]) },
      { path = "/etc/systemd/system/opsconsole-api.service", permissions = "0644", content = file("${path.module}/files/opsconsole-api.service") },
      { path = "/usr/local/lib/opsconsole-api/fetch-secrets", permissions = "0755", content = file("${path.module}/files/fetch-secrets") },
      { path = "/usr/local/lib/opsconsole-api/install-release", permissions = "0755", content = file("${path.module}/files/install-release") },
      { path = "/usr/local/lib/opsconsole-api/verify", permissions = "0755", content = file("${path.module}/files/verify") },
      { path = "/opt/aws/amazon-cloudwatch-agent/etc/opsconsole-api.json", permissions = "0644", content = jsonencode(local.agent) },
    ]
    runcmd = [
      ["systemctl", "daemon-reload"],
      ["systemctl", "enable", "opsconsole-api"],
      ["/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl", "-a", "fetch-config", "-m", "ec2", "-s", "-c", "file:/opt/aws/amazon-cloudwatch-agent/etc/opsconsole-api.json"],
      ["/usr/local/lib/opsconsole-api/install-release", var.release],
    ]
  })])

  settings = {
    OPSCONSOLE_API_LISTEN       = "0.0.0.0:${var.port}"
    OPSCONSOLE_API_ENVIRONMENT  = var.environment
    OPSCONSOLE_API_RELEASE      = var.release
    OPSCONSOLE_API_DATABASE_URL = var.database.url
    CONTENT_BUCKET              = var.buckets.content
    AWS_REGION                  = var.region
  }

  install = {
    ARTIFACTS_BUCKET   = var.buckets.artifacts
    LOGS_BUCKET        = var.buckets.logs
    CONTENT_BUCKET     = var.buckets.content
    DATABASE_HOST      = local.database_url.host
    PORT               = tostring(var.port)
    AWS_DEFAULT_REGION = var.region
  }

  secret_lines = merge(var.secrets, { PGPASSWORD = "${var.database.secret_arn} password" })

  agent = {
    logs = { logs_collected = { files = { collect_list = [{
      file_path       = "/var/log/opsconsole-api/api.log"
      log_group_name  = var.log_group
      log_stream_name = "{instance_id}"
    }] } } }
  }
}
