output "trail_bucket" {
  description = "Where the trail is."
  value       = module.bucket.names["trail"]
}

output "bill" {
  description = "What it is billed for; the first trail's management events are free."
  value       = module.bucket.bill
}
