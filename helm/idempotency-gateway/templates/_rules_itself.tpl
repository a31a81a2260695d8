{{- /* Of the gateway itself: its files and its processes. */ -}}
{{- define "gateway.rulesOfItself" -}}
- alert: IdempotencyGatewaySecretStale
  expr: sum(idempotency_gateway_secrets_stale{ {{- .of -}} }) > 0
  for: 5m
  labels: {severity: warning}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewaysecretstale" .rule.runbook | quote }}
    summary: A file of a secret has changed and cannot be used; what it held before is in force.
    description: >-
      No call fails of it yet. The log line "secret-unreadable" has the setting and the reason. Mend the file before the
      old secret is withdrawn or a gateway is restarted.
- alert: IdempotencyGatewayWorkerEnded
  expr: |
    {{- include "gateway.grew" (dict "metric" "workers_ended" "of" .of "by" "code" "within" "15m" "than" 0) | nindent 4 }}
  for: 0m
  labels: {severity: warning}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewayworkerended" .rule.runbook | quote }}
    summary: A worker process ended by itself and was replaced.
    description: >-
      {{ "{{ $value | humanize }}" }} ended with code {{ "{{ $labels.code }}" }} in 15 minutes (negative: by that signal; -9 is what
      a want of memory brings). What each had sent and not settled becomes unknown by its lease.
- alert: IdempotencyGatewayInternalFault
  expr: |
    {{- include "gateway.grew" (dict "metric" "internal_faults" "of" .of "by" "" "within" "15m" "than" 0) | nindent 4 }}
  for: 0m
  labels: {severity: critical}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewayinternalfault" .rule.runbook | quote }}
    summary: The gateway met a fault of its own.
    description: Its log has the line "internal-fault" with the frames. The call's key becomes unknown by its lease.
{{- end }}
