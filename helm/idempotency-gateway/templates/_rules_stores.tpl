{{- /* Of the stores, and what is written to them. */ -}}
{{- define "gateway.rulesOfStores" -}}
- alert: IdempotencyGatewayStoreUnavailable
  expr: |
    sum(rate(idempotency_gateway_store_faults_total{operation="claim",{{ .of }}}[5m]))
      / sum(rate(idempotency_gateway_calls_total{ {{- .of -}} }[5m])) > {{ .rule.refusalRatio }}
      or {{ include "gateway.untold" (dict "metric" "records" "of" .of) }}
  for: 5m
  labels: {severity: critical}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewaystoreunavailable" .rule.runbook | quote }}
    summary: The store does not answer, and new calls are refused for want of it.
    description: >-
      {{ "{{ $value | humanizePercentage }}" }} of all calls could not be claimed, and are answered 503; nothing was sent for
      them, and their clients may retry. /readyz names the store and what is wrong with it.
- alert: IdempotencyGatewayRecordUnreadable
  expr: |
    {{- $of := printf "operation=%q,%s" "open" .of }}
    {{- include "gateway.grew" (dict "metric" "store_faults" "of" $of "by" "" "within" "15m" "than" 0) | nindent 4 }}
  for: 0m
  labels: {severity: critical}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewayrecordunreadable" .rule.runbook | quote }}
    summary: A record does not open; its key answers 500, and is not sent.
    description: The log has the line "store-fault" with what is wrong. A missing key of encryption.keys is the likeliest.
- alert: IdempotencyGatewayFrontLost
  expr: sum(idempotency_gateway_breaker_open{ {{- .of -}} }) > 0
  for: 5m
  labels: {severity: warning}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewayfrontlost" .rule.runbook | quote }}
    summary: The Redis in front of Postgres does not answer; every replay is asked of Postgres.
    description: >-
      {{ "{{ $value }}" }} processes have given it up for now. It costs time and never a second call. /readyz names the
      Redis and what is wrong with it.
- alert: IdempotencyGatewayAnswersUnwritten
  expr: |
    {{- include "gateway.grew" (dict "metric" "settlements_slow" "of" .of "by" "route" "within" "15m" "than" 5) | nindent 4 }}
  for: 0m
  labels: {severity: warning}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewayanswersunwritten" .rule.runbook | quote }}
    summary: Answers reach their callers before the store has written them.
    description: >-
      On route {{ "{{ $labels.route }}" }} {{ "{{ $value | humanize }}" }} callers were answered in 15 minutes before the outcome
      was written, which goes on. Should their gateway die meanwhile, those keys are unknown.
- alert: IdempotencyGatewaySweepStalled
  expr: |
    (
      time() - max(idempotency_gateway_last_sweep_timestamp_seconds{ {{- .of -}} }) > 900
        or {{ include "gateway.untold" (dict "metric" "last_sweep_timestamp_seconds" "of" .of) }}
    ) and on () count(idempotency_gateway_records{ {{- .of -}} })
  for: 5m
  labels: {severity: warning}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewaysweepstalled" .rule.runbook | quote }}
    summary: The store answers, and no sweep comes to its end.
    description: >-
      For a quarter of an hour or longer nothing has been removed whose retention is over: the store grows. No call is
      the worse for it.
{{- end }}
