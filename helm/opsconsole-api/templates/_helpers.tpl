{{/* Names, labels and the few rules that several templates share. */}}

{{- define "opsconsole-api.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "opsconsole-api.fullname" -}}
{{- $name := include "opsconsole-api.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "opsconsole-api.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "opsconsole-api.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ include "opsconsole-api.release" . | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: opsconsole
opsconsole/environment: {{ .Values.environment }}
{{- end }}

{{/* What never changes in a release's life: a Deployment's selector cannot. The component keeps the Job's pods out. */}}
{{- define "opsconsole-api.selectorLabels" -}}
app.kubernetes.io/name: {{ include "opsconsole-api.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: api
{{- end }}

{{/* The pods' own: without the chart's version, which would roll the pods out again for nothing, and without the release's, which is not true any more where a deploy changed the image alone. */}}
{{- define "opsconsole-api.podLabels" -}}
{{ include "opsconsole-api.selectorLabels" . }}
app.kubernetes.io/part-of: opsconsole
opsconsole/environment: {{ .Values.environment }}
{{- end }}

{{/* The release as people call it. */}}
{{- define "opsconsole-api.release" -}}
{{- default .Chart.AppVersion .Values.image.tag -}}
{{- end }}

{{- define "opsconsole-api.image" -}}
{{- $tagged := printf "%s:%s" .Values.image.repository (include "opsconsole-api.release" .) -}}
{{- if .Values.image.digest -}}{{ $tagged }}@{{ .Values.image.digest }}{{- else -}}{{ $tagged }}{{- end -}}
{{- end }}

{{- define "opsconsole-api.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "opsconsole-api.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* Fewest pods that run at once. */}}
{{- define "opsconsole-api.replicasMin" -}}
{{- if .Values.autoscaling.enabled -}}{{ .Values.autoscaling.minReplicas }}{{- else -}}{{ .Values.replicaCount }}{{- end -}}
{{- end }}

{{- define "opsconsole-api.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "opsconsole-api.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Settings that the service and the migration share. Which release it is says the image itself: a deploy may change only that. */}}
{{- define "opsconsole-api.env" -}}
- name: OPSCONSOLE_API_ENVIRONMENT
  value: {{ .Values.environment | quote }}
{{- with .Values.api.gitSha }}
- name: OPSCONSOLE_API_GIT_SHA
  value: {{ . | quote }}
{{- end }}
- name: OPSCONSOLE_API_LOG_LEVEL
  value: {{ .Values.api.logLevel }}
- name: OPSCONSOLE_API_DATABASE_URL
{{- if eq .Values.database.kind "postgres" }}
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.postgres.existingSecret }}
      key: {{ .Values.database.postgres.urlKey }}
{{- else }}
  value: sqlite:///data/api.db
{{- end }}
{{- range $name, $value := .Values.api.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name, $source := .Values.api.secretEnv }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $source.name }}
      key: {{ $source.key }}
{{- end }}
{{- end }}

{{/* Cores of a CPU quantity: "500m" is 0.5. */}}
{{- define "opsconsole-api.cores" -}}
{{- $text := toString . -}}
{{- if hasSuffix "m" $text -}}{{ divf (trimSuffix "m" $text | float64) 1000 }}{{- else -}}{{ float64 $text }}{{- end -}}
{{- end }}

{{/* What the schema cannot say: rules over several values. */}}
{{- define "opsconsole-api.check" -}}
{{- if and (eq .Values.database.kind "sqlite") (or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1)) -}}
{{- fail "database.kind is sqlite, a file in each pod: replicaCount must be 1 and autoscaling.enabled false. For more pods set database.kind to postgres." -}}
{{- end -}}
{{- if and (eq .Values.database.kind "postgres") (not .Values.database.postgres.existingSecret) -}}
{{- fail "database.kind is postgres: name the secret with its URL in database.postgres.existingSecret." -}}
{{- end -}}
{{- if and (has (lower .Values.environment) (list "prod" "production" "live")) (not .Values.image.digest) -}}
{{- fail (printf "environment is %s: set image.digest (sha256:…), because a tag may move between the test and the release." .Values.environment) -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail (printf "autoscaling.minReplicas (%d) is more than autoscaling.maxReplicas (%d)." (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.enabled is true: name at least one host in ingress.hosts." -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled is true: name the gateway in httpRoute.parentRefs." -}}
{{- end -}}
{{- range tuple "ENVIRONMENT" "GIT_SHA" "LOG_LEVEL" "DATABASE_URL" "LISTEN" "DRAIN_SECONDS" -}}
{{- $name := printf "OPSCONSOLE_API_%s" . -}}
{{- if or (hasKey $.Values.api.env $name) (hasKey $.Values.api.secretEnv $name) -}}
{{- fail (printf "%s has a value of its own in this chart: set that instead of api.env or api.secretEnv." $name) -}}
{{- end -}}
{{- end -}}
{{- end }}
