# REQUIRED

variable "name" {
  description = "The system's name, without the environment: `shop`."
  type        = string
}

variable "environment" {
  description = "`dev`, `test`, `staging`, `prod` or another name; anything with prod, production, live or prd is held to production rules."
  type        = string
}

variable "region" {
  description = "The AWS region."
  type        = string
}

variable "account_id" {
  description = "The twelve digits of the account: Terraform refuses to work in another one."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the twelve digits of the account (aws sts get-caller-identity)."
  }
}

variable "release" {
  description = "The release to start with: `releases/RELEASE/opsconsole-api` in the artifacts bucket (scripts/deploy.sh puts it there)."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", var.release)) && var.release != "latest"
    error_message = "release must name one, such as 1.5.0: a release in the bucket is never overwritten, so latest says nothing; got \"${var.release}\"."
  }
}

# OPTIONAL

variable "owner" {
  description = "Who answers for it; a tag."
  type        = string
  default     = "platform"
}

variable "cost_center" {
  description = "Who pays; a tag."
  type        = string
  default     = "engineering"
}

variable "off_hours" {
  description = "When a non-production environment is on; null: always. Production ignores it."
  type = object({
    start    = optional(number, 7)
    stop     = optional(number, 19)
    days     = optional(list(string), ["MON", "TUE", "WED", "THU", "FRI"])
    timezone = optional(string, "Etc/UTC")
  })
  default = null
}

variable "alarm_emails" {
  description = "Who gets alarms; each address must confirm once."
  type        = list(string)
  default     = []
}

variable "slack" {
  description = "Slack workspace and channel that get alarms."
  type = object({
    team_id    = string
    channel_id = string
  })
  default = null
}

variable "budget_usd" {
  description = "What a month may cost; null: no budget."
  type        = number
  default     = null
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 7
}

variable "runbook_url" {
  description = "A page to open when something is wrong; the console links to it."
  type        = string
  default     = null
}

variable "domain_name" {
  description = "Where it answers: a certificate is made and HTTP leads to HTTPS. Production needs it or certificate_arn."
  type        = string
  default     = null
}

variable "zone_id" {
  description = "The Route 53 zone of domain_name."
  type        = string
  default     = null
}

variable "certificate_arn" {
  description = "A certificate that exists already, instead of domain_name."
  type        = string
  default     = null
}

variable "waf" {
  description = "A firewall in front, and how many requests one address may send in five minutes; null: none."
  type = object({
    rate_limit = optional(number, 2000)
  })
  default = null
}

variable "thresholds" {
  description = "When alarms go off; the defaults are the document's."
  type = object({
    cpu             = optional(number, 80)
    memory          = optional(number, 80)
    error_rate      = optional(number, 5)
    response_time   = optional(number, 2)
    p95             = optional(number, 0.5)
    unhealthy_hosts = optional(number, 1)
  })
  default = {}
}

variable "container_port" {
  description = "The program's port (ADR 0101)."
  type        = number
  default     = 8000
}

variable "ingress_cidrs" {
  description = "Who may call the port directly, without a load balancer."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "ssh_cidrs" {
  description = "Who may come in by SSH; empty: nobody, scripts/ssh.sh goes through Session Manager (ADR 0104)."
  type        = list(string)
  default     = []
}

variable "key_name" {
  description = "SSH key pair, where ssh_cidrs is used."
  type        = string
  default     = null
}

variable "instance_type" {
  description = "The instance's size."
  type        = string
  default     = "t3.micro"
}

variable "architecture" {
  description = "`x86_64` or `arm64`; must fit instance_type."
  type        = string
  default     = "x86_64"
}

variable "database" {
  description = "The database's size."
  type = object({
    instance_class = optional(string, "db.t3.micro")
    storage_gb     = optional(number, 20)
  })
  default = {}
}

variable "api_keys" {
  description = "Variable → what it is for. An empty secret is made for each; put the value in with aws secretsmanager put-secret-value."
  type        = map(string)
  default     = { TAVILY_API_KEY = "Search", GEMINI_API_KEY = "Language model" }
}

variable "scaling" {
  description = "An Auto Scaling group behind a load balancer instead of one instance."
  type = object({
    min = number
    max = number
    cpu = optional(number, 60)
  })
  default = null
}

variable "usage" {
  description = "Assumed use a month, for the bill only: GB of logs, GB to the internet beyond the free 100, capacity units of the load balancer, GB in each bucket."
  type = object({
    log_gb      = optional(number, 1)
    data_out_gb = optional(number, 0)
    lcu         = optional(number, 0.5)
    stored_gb   = optional(number, 5)
  })
  default = {}
}
