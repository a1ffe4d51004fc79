"""What answers look like, for the docs."""

from typing import Any

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwqg0Jbt6TZ3w="
WEBHOOK: dict[str, Any] = {
    "id": "01938f60-2b45-7c3d-9e5f-6a7b8c9d0e1f",
    "name": "CRM",
    "url": "https://crm.example.com/hooks/agentes",
    "events": ["conversation_*", "message_completed"],
    "agent_id": None,
    "headers": {"Authorization": "[hidden]"},
    "is_active": True,
    "retry_count": 9,
    "timeout": 15,
    "max_per_second": None,
    "template": None,
    "disabled_reason": None,
    "created_at": "2026-11-23T20:15:00.123Z",
    "updated_at": "2026-11-23T20:15:00.123Z",
}
TEMPLATE: dict[str, Any] = {
    "name": "google_analytics",
    "description": "Google Analytics 4, by its Measurement Protocol.",
    "url": "https://www.google-analytics.com/mp/collect?measurement_id=G-…&api_secret=…",
    "events": ["conversion_recorded", "lead_captured", "form_submitted"],
    "example": {
        "client_id": "visitor-1",
        "timestamp_micros": 1_795_552_867_512_000,
        "events": [
            {
                "name": "purchase",
                "params": {"transaction_id": "pedido-1042", "value": 149.9, "currency": "BRL"},
            }
        ],
    },
}
DELIVERY: dict[str, Any] = {
    "id": "01938f61-3c56-7d4e-8f60-7b8c9d0e1f2a",
    "webhook_id": WEBHOOK["id"],
    "message_id": "01938f61-3c50-7a11-9c22-3d4e5f6a7b8c",
    "event_type": "message_completed",
    "status": "pending",
    "trigger": "schedule",
    "attempts": 1,
    "next_attempt_at": "2026-11-23T20:16:05.212Z",
    "last_status_code": 500,
    "last_error": "http_status",
    "created_at": "2026-11-23T20:16:00.123Z",
    "finished_at": None,
}
ATTEMPT: dict[str, Any] = {
    "number": 1,
    "trigger": "schedule",
    "url": WEBHOOK["url"],
    "started_at": "2026-11-23T20:16:00.201Z",
    "latency_ms": 41,
    "status_code": 500,
    "error": {"code": "http_status", "detail": "The endpoint answered 500."},
    "request_headers": {
        "content-type": "application/json",
        "webhook-id": DELIVERY["message_id"],
        "webhook-timestamp": "1795464960",
    },
    "response_body": "Internal Server Error",
}
BODY = '{"type":"message_completed","timestamp":"2026-11-23T20:16:00.100Z","data":{}}'
RECOVERY: dict[str, Any] = {
    "id": "01938f62-4d67-7e5f-9071-8c9d0e1f2a3b",
    "webhook_id": WEBHOOK["id"],
    "since": "2026-11-23T20:15:00.000Z",
    "until": "2026-11-24T08:00:00.000Z",
    "status": "running",
    "requeued": 500,
    "created_at": "2026-11-24T08:00:00.000Z",
}
INBOX: dict[str, Any] = {
    "id": "01938f63-5e78-7f60-8182-9d0e1f2a3b4c",
    "url": "https://api.example.com/api/v2/webhooks/inboxes/01938f63-5e78-7f60-8182-9d0e1f2a3b4c"
    "/messages/9hLakV8I7Z0PcuLWyCXRAvF3mbNK8TEB8KgR8htroct",
    "expires_at": "2026-11-23T21:15:00.123Z",
    "created_at": "2026-11-23T20:15:00.123Z",
}
INBOX_MESSAGE: dict[str, Any] = {
    "id": "01938f64-6f89-7071-9293-0e1f2a3b4c5d",
    "headers": {
        "content-type": "application/json",
        "webhook-id": "01938f61-3c50-7a11-9c22-3d4e5f6a7b8c",
        "webhook-timestamp": "1795464960",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    "body": BODY,
    "body_base64": None,
    "size_bytes": len(BODY),
    "received_at": "2026-11-23T20:16:00.245Z",
}
EVENT_TYPE: dict[str, Any] = {
    "name": "conversation_resolved",
    "description": "A conversation was marked as resolved.",
    "example": {
        "type": "conversation_resolved",
        "timestamp": "2026-11-23T20:15:00.123Z",
        "data": {"conversation_id": "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"},
    },
}
