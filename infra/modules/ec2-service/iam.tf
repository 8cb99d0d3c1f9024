# What the instance may do. The document asks for S3 full access "for now"; these are its three buckets (ADR 0103).

locals {
  bucket_arns = [for bucket in values(var.buckets) : "arn:aws:s3:::${bucket}"]
  secret_arns = concat(values(var.secrets), [var.database.secret_arn])
}

resource "aws_iam_role" "this" {
  name = "${var.name}-instance"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_instance_profile" "this" {
  name = "${var.name}-instance"
  role = aws_iam_role.this.name
}

# Session Manager: a shell without an open port.
resource "aws_iam_role_policy_attachment" "ssm" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_role_policy" "this" {
  name = "work"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for s in [
      { when = true, Sid = "ListBuckets", Effect = "Allow", Action = ["s3:ListBucket"], Resource = local.bucket_arns },
      { when = true, Sid = "ReadAndWriteObjects", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], Resource = [for arn in local.bucket_arns : "${arn}/*"] },
      { when = true, Sid = "ReadSecrets", Effect = "Allow", Action = ["secretsmanager:GetSecretValue"], Resource = local.secret_arns },
      { when = true, Sid = "WriteLogs", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"], Resource = ["${aws_cloudwatch_log_group.this.arn}:*"] },
      { when = var.kms_key_arn != null, Sid = "UseKey", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = [var.kms_key_arn] },
    ] : { for key, value in s : key => value if key != "when" } if s.when]
  })
}
