{{- /* Of what became of calls. */ -}}
{{- define "gateway.rulesOfOutcomes" -}}
- alert: IdempotencyGatewayUnknownOutcomes
  expr: |
    max by (route) (idempotency_gateway_oldest_open_seconds{state="unknown",{{ .of }}}) > {{ include "gateway.seconds" .rule.unknownFor }}
  for: 0m
  labels: {severity: warning}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewayunknownoutcomes" .rule.runbook | quote }}
    summary: A call was sent and never completely answered, and nobody has said what became of it.
    description: >-
      On route {{ "{{ $labels.route }}" }} a key has been unknown for {{ "{{ $value | humanizeDuration }}" }}. It is not sent
      again. Find all with "idempotency-gateway keys list --state unknown", look at the upstream what happened, then
      resolve or release each.
- alert: IdempotencyGatewayOutcomesLost
  expr: |
    {{- include "gateway.grew" (dict "metric" "outcomes_lost" "of" .of "by" "route, reason" "within" "15m" "than" 5) | nindent 4 }}
  for: 0m
  labels: {severity: warning}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewayoutcomeslost" .rule.runbook | quote }}
    summary: An upstream breaks off or does not answer calls that it may have executed.
    description: >-
      Route {{ "{{ $labels.route }}" }} lost {{ "{{ $value | humanize }}" }} answers in 15 minutes ({{ "{{ $labels.reason }}" }}). Each is a
      key that stays unknown until the truth comes.
- alert: IdempotencyGatewaySentUnguarded
  expr: |
    {{- $of := printf "choice=%q,%s" "pass" .of }}
    {{- include "gateway.grew" (dict "metric" "policy_choices" "of" $of "by" "route" "within" "15m" "than" 0) | nindent 4 }}
  for: 0m
  labels: {severity: critical}
  annotations:
    runbook_url: {{ printf "%s#idempotencygatewaysentunguarded" .rule.runbook | quote }}
    summary: The store does not answer, and calls are sent without it, as on_store_down pass has it.
    description: >-
      Route {{ "{{ $labels.route }}" }} sent {{ "{{ $value | humanize }}" }} calls unguarded in 15 minutes: each retry of one is
      another execution.
{{- end }}
