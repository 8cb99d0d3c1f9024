# Traces leave the task by the collector only, and a broken collector stops no request.

variables {
  region = "eu-central-1"
}

run "traces_go_to_the_regions_xray_from_the_loopback_only" {
  assert {
    condition     = jsondecode(output.container.environment.AOT_CONFIG_CONTENT).exporters.awsxray.region == "eu-central-1" && jsondecode(output.container.environment.AOT_CONFIG_CONTENT).receivers.otlp.protocols.http.endpoint == "127.0.0.1:4318" && output.environment.OTEL_EXPORTER_OTLP_ENDPOINT == "http://127.0.0.1:4318"
    error_message = "The program talks to the collector on the task's loopback, the collector to X-Ray in its region."
  }
}

run "a_collector_that_ends_does_not_end_the_program" {
  assert {
    condition     = !output.container.essential
    error_message = "The collector must not be essential."
  }
}

run "tracing_may_write_traces_and_nothing_else" {
  assert {
    condition     = toset(flatten(output.statements[*].actions)) == toset(["xray:PutTelemetryRecords", "xray:PutTraceSegments"])
    error_message = "Two actions, both of X-Ray."
  }
}

run "a_collector_without_a_version_is_refused" {
  command = plan
  variables {
    image = "public.ecr.aws/aws-observability/aws-otel-collector:latest"
  }
  expect_failures = [var.image]
}
