# Tracing: a collector beside the program takes OpenTelemetry traces on the task's loopback and hands them to X-Ray.
# Calls nothing; the service that runs it gets the container, the rights and the program's settings.

locals {
  collector = {
    receivers  = { otlp = { protocols = { http = { endpoint = "127.0.0.1:4318" } } } }
    processors = { batch = { timeout = "5s" } }
    exporters  = { awsxray = { region = var.region } }
    service    = { pipelines = { traces = { receivers = ["otlp"], processors = ["batch"], exporters = ["awsxray"] } } }
  }
}
