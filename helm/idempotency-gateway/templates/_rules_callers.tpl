{{- /* Of who calls, and how many at once. Rates and quotas that do their work call nobody. */ -}}
{{- define "gateway.rulesOfCallers" -}}
- alert: IdempotencyGatewayOverloaded
  expr: |
    sum by (reason) (rate(idempotency_gateway_shed_total{reason=~"connections|calls|route",{{ .of }}}[5m])) > 0
  for: 10m
  labels: {severity: warning}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewayoverloaded" .rule.runbook | quote }}
    summary: There are more calls at once than the gateways take.
    description: >-
      For ten minutes calls have been turned away because there were too many {{ "{{ $labels.reason }}" }}
      ({{ "{{ $value | humanize }}" }} a second). Nothing was sent for them.
- alert: IdempotencyGatewayCallersRefused
  expr: |
    sum by (reason) (rate(idempotency_gateway_caller_refusals_total{reason!~"rate|refusals",{{ .of }}}[15m]))
      / on () group_left () sum(rate(idempotency_gateway_calls_total{ {{- .of -}} }[15m])) > {{ .rule.refusalRatio }}
  for: 10m
  labels: {severity: warning}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewaycallersrefused" .rule.runbook | quote }}
    summary: Many calls are turned away, because their callers are not known or may not use the route.
    description: >-
      {{ "{{ $value | humanizePercentage }}" }} of all calls ({{ "{{ $labels.reason }}" }}): a caller whose key or token has
      changed, or somebody who tries.
- alert: IdempotencyGatewayCallerKeysUnread
  expr: |
    {{- include "gateway.grew" (dict "metric" "caller_keys_unreadable" "of" .of "by" "" "within" "1h" "than" 0) | nindent 4 }}
      or {{ include "gateway.grew" (dict "metric" "token_keys_unread" "of" .of "by" "" "within" "1h" "than" 0) | nindent 4 | trim }}
  for: 0m
  labels: {severity: warning}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewaycallerkeysunread" .rule.runbook | quote }}
    summary: Keys of callers, or of the issuer of their tokens, cannot be read.
    description: >-
      Those that were read before count on, so that a key that was taken back may still let its caller in; an issuer's
      are too old some time later, and then no token gets in. The log names the file or the fault.
{{- end }}
