{{- /* What somebody has to be called for. Every replica tells the same of the records: they share a store. */ -}}
{{- define "gateway.rules" -}}
{{- $of := printf "namespace=%q,service=%q" .Release.Namespace (printf "%s-admin" (include "gateway.fullname" .)) -}}
groups:
  - name: {{ include "gateway.fullname" . }}
    rules:
      - alert: IdempotencyGatewayUnknownOutcomes
        expr: max(idempotency_gateway_records{state="unknown",{{ $of }}}) > 0
        for: {{ .Values.prometheusRule.unknownFor }}
        labels: {severity: warning}
        annotations:
          runbook_url: {{ printf "%s#idempotencygatewayunknownoutcomes" .Values.prometheusRule.runbook | quote }}
          summary: Calls were sent and never completely answered, and nobody has said what became of them.
          description: >-
            {{ "{{ $value }}" }} keys have been unknown for {{ .Values.prometheusRule.unknownFor }}. They are not sent again. Find
            them with "idempotency-gateway keys list --state unknown", look at the upstream what happened, then resolve
            or release each.
      - alert: IdempotencyGatewayStoreUnavailable
        expr: |
          sum(rate(idempotency_gateway_calls_total{outcome="unavailable",{{ $of }}}[5m]))
            / sum(rate(idempotency_gateway_calls_total{ {{- $of -}} }[5m])) > {{ .Values.prometheusRule.refusalRatio }}
        for: 5m
        labels: {severity: critical}
        annotations:
          runbook_url: {{ printf "%s#idempotencygatewaystoreunavailable" .Values.prometheusRule.runbook | quote }}
          summary: Calls are refused because the store does not answer.
          description: >-
            {{ "{{ $value | humanizePercentage }}" }} of all calls were answered 503; nothing was sent for them, and their clients may
            retry. /readyz names the store and what is wrong with it.
      - alert: IdempotencyGatewayFrontLost
        expr: |
          sum(idempotency_gateway_front_lost_total{ {{- $of -}} }) - sum(idempotency_gateway_front_back_total{ {{- $of -}} }) > 0
        for: 5m
        labels: {severity: warning}
        annotations:
          runbook_url: {{ printf "%s#idempotencygatewayfrontlost" .Values.prometheusRule.runbook | quote }}
          summary: The Redis in front of Postgres does not answer; every replay is asked of Postgres.
          description: It costs time and never a second call. /readyz names the Redis and what is wrong with it.
      - alert: IdempotencyGatewayOutcomesLost
        expr: sum by (route, reason) (increase(idempotency_gateway_outcomes_lost_total{ {{- $of -}} }[15m])) > 5
        for: 0m
        labels: {severity: warning}
        annotations:
          runbook_url: {{ printf "%s#idempotencygatewayoutcomeslost" .Values.prometheusRule.runbook | quote }}
          summary: An upstream breaks off or does not answer calls that it may have executed.
          description: >-
            Route {{ "{{ $labels.route }}" }} lost {{ "{{ $value | humanize }}" }} answers in 15 minutes ({{ "{{ $labels.reason }}" }}). Each is a
            key that stays unknown until the truth comes.
      - alert: IdempotencyGatewayInternalFault
        expr: sum(increase(idempotency_gateway_internal_faults_total{ {{- $of -}} }[15m])) > 0
        for: 0m
        labels: {severity: critical}
        annotations:
          runbook_url: {{ printf "%s#idempotencygatewayinternalfault" .Values.prometheusRule.runbook | quote }}
          summary: The gateway met a fault of its own.
          description: Its log has the line "internal-fault" with the frames. The call's key becomes unknown by its lease.
{{- end }}
