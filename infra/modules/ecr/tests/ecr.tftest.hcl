# Images are scanned, their tags stay where they are, and ten of them are kept.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name         = "shop"
  repositories = ["api"]
}

run "every_pushed_image_is_scanned" {
  command = plan
  assert {
    condition     = aws_ecr_repository.this["api"].image_scanning_configuration[0].scan_on_push
    error_message = "Images must be scanned on push."
  }
}

run "a_tag_never_moves" {
  command = plan
  assert {
    condition     = aws_ecr_repository.this["api"].image_tag_mutability == "IMMUTABLE"
    error_message = "Tags must be immutable: a rollback to 1.4.0 must get what 1.4.0 was."
  }
}

run "the_last_ten_images_are_kept" {
  command = plan
  assert {
    condition     = one([for rule in jsondecode(aws_ecr_lifecycle_policy.this["api"].policy).rules : rule.selection.countNumber if rule.selection.countType == "imageCountMoreThan"]) == 10
    error_message = "The lifecycle keeps ten images."
  }
}

run "keeping_nothing_to_roll_back_to_is_refused" {
  command = plan
  variables {
    keep = 1
  }
  expect_failures = [var.keep]
}
