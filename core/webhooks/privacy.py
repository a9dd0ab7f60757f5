"""The tables of webhooks in `anonymize`. In the personal-data export their rows are those of viewsets."""

from core.db.anonymization import empties
from core.webhooks.models import Webhook, WebhookDelivery

# A copy must send nothing, and hold neither URLs, which may contain credentials, nor secrets.
empties(Webhook, WebhookDelivery)
