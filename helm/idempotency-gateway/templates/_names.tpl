{{- define "gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "gateway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "gateway.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "gateway.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: {{ include "gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
{{ include "gateway.origin" . }}
{{- end }}

{{- /* Of what is not a gateway, so that no Service sends it calls: .root, and .component, which it is. */ -}}
{{- define "gateway.labelsOfOther" -}}
app.kubernetes.io/name: {{ include "gateway.name" .root }}-{{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{ include "gateway.origin" .root }}
{{- end }}

{{- /* Which release made it; a label has no "+", which a version may have. */ -}}
{{- define "gateway.origin" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | quote }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{- define "gateway.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gateway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "gateway.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end }}

{{- /* "true" where a gateway keeps its own file: neither Postgres nor Redis is given. */ -}}
{{- define "gateway.embedded" -}}
{{- $given := false -}}
{{- range list .Values.store.postgres .Values.store.redis -}}
{{- if or .url .secret.name -}}{{- $given = true -}}{{- end -}}
{{- end -}}
{{- if not $given -}}true{{- end -}}
{{- end }}

{{- define "gateway.replicas" -}}
{{- if include "gateway.embedded" . -}}1{{- else -}}{{ .Values.replicaCount | default 2 }}{{- end -}}
{{- end }}

{{- /* The URL of the store named .name, or the file that its Secret is mounted as; empty where there is none. */ -}}
{{- define "gateway.storeUrl" -}}
{{- $store := index .root.Values.store .name -}}
{{- if $store.secret.name -}}file:///run/secrets/gateway/store-{{ .name }}{{- else -}}{{ $store.url }}{{- end -}}
{{- end }}

{{- /* A duration of the configuration in whole seconds, rounded up. */ -}}
{{- define "gateway.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if eq $unit "ms" -}}{{ divf $number 1000 | ceil | int64 }}
{{- else -}}{{ mul $number (index (dict "s" 1 "m" 60 "h" 3600 "d" 86400) $unit) }}{{- end -}}
{{- end }}

{{- /* Seconds that a shutdown may take: shutdown_grace, or the longest timeout.total and 5 s. */ -}}
{{- define "gateway.grace" -}}
{{- if .Values.config.shutdown_grace -}}
{{- include "gateway.seconds" .Values.config.shutdown_grace -}}
{{- else -}}
{{- $longest := 0 -}}
{{- range .Values.config.routes -}}
{{- $total := dig "upstream" "timeout" "total" "90s" . -}}
{{- $longest = max $longest (include "gateway.seconds" $total | int64) -}}
{{- end -}}
{{- add $longest 5 -}}
{{- end -}}
{{- end }}

{{- /* The environment: what telemetry needs, and whatever else is asked for. */ -}}
{{- define "gateway.environment" -}}
{{- with .Values.telemetry }}
{{- if .otlp.endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .otlp.endpoint | quote }}}
- {name: OTEL_EXPORTER_OTLP_PROTOCOL, value: {{ .otlp.protocol | quote }}}
- {name: OTEL_SERVICE_NAME, value: {{ include "gateway.fullname" $ | quote }}}
{{- if not (kindIs "invalid" .samplingRatio) }}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ .samplingRatio | quote }}}
{{- end }}
- {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ include "gateway.attributes" $ | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gateway.attributes" -}}
k8s.namespace.name={{ .Release.Namespace }},k8s.pod.name=$(POD_NAME)
{{- range $name, $value := .Values.telemetry.resourceAttributes }},{{ $name }}={{ $value | urlquery }}{{- end -}}
{{- end }}

{{- /* What every pod of the image may do, and no more: the "restricted" pod security standard. */ -}}
{{- define "gateway.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "gateway.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* Mounted at /run/secrets/gateway: what the configuration and the stores need. */ -}}
{{- define "gateway.secretSources" -}}
{{- range .Values.secrets }}
- secret: {name: {{ .secret | quote }}, items: [{key: {{ .key | quote }}, path: {{ .name | quote }}}]}
{{- end }}
{{- range $name := list "postgres" "redis" }}
{{- $store := index $.Values.store $name }}
{{- if $store.secret.name }}
- secret: {name: {{ $store.secret.name | quote }}, items: [{key: {{ $store.secret.key | quote }}, path: store-{{ $name }}}]}
{{- end }}
{{- end }}
{{- end }}
