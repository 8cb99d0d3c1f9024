# Unused, untyped and unpinned things fail. The AWS rule set is used where it is installed (--enable-plugin=aws).
config {
  call_module_type = "local"
}

plugin "terraform" {
  enabled = true
  preset  = "all"
}

# Sorted by purpose, not by file name: a large main.tf is split by topic (iam.tf, scaling.tf).
rule "terraform_standard_module_structure" {
  enabled = false
}
