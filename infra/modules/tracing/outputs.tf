output "container" {
  description = "The collector, for `containers` of modules/ecs-service. The program goes on when it ends."
  value = {
    name        = "collector"
    image       = var.image
    essential   = false
    tmpfs       = ["/tmp"]
    environment = { AOT_CONFIG_CONTENT = jsonencode(local.collector) }
  }
}

output "environment" {
  description = "What the program needs to know: OpenTelemetry's own variables."
  value = {
    OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318"
    OTEL_EXPORTER_OTLP_PROTOCOL = "http/protobuf"
    OTEL_TRACES_SAMPLER         = "parentbased_traceidratio"
    OTEL_TRACES_SAMPLER_ARG     = tostring(var.share)
  }
}

output "statements" {
  description = "What the task's role may do, for `task_statements`. AWS knows no resources for them."
  value = [{
    sid       = "SendTraces"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }]
}

output "bill" {
  description = "What is billed (docs/reference/terraform-contract.md)."
  value = [
    { what = "Traces, millions", sku = "xray.traces", quantity = var.usage.traces_m, min = null, max = null, hours_per_month = 730, basis = "assumed: usage.traces_m", reported_by = "terraform" },
  ]
}
