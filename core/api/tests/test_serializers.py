import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from core.api.serializers import ModelSerializer, StringField, snake
from core.audit.models import AuditEvent
from core.tests.factories import AuditEventFactory


class EventSerializer(ModelSerializer):
    shout = serializers.SerializerMethodField()

    class Meta:
        model = AuditEvent
        fields = ("id", "event", "targetType", "ipAddress", "createdAt", "shout")
        read_only_fields = ("createdAt",)

    def get_shout(self, event):
        return event.event.upper()


@pytest.mark.parametrize(
    ("camel", "column"),
    [
        ("id", "id"),
        ("createdAt", "created_at"),
        ("userId", "user_id"),
        ("ipAddress", "ip_address"),
        ("aBC", "a_b_c"),
    ],
)
def test_a_name_of_the_contract_is_a_column(camel, column):
    assert snake(camel) == column


@pytest.mark.django_db
def test_names_are_camel_case_outside_and_columns_inside():
    event = AuditEventFactory(event="thing.done", target_type="thing", ip_address="192.0.2.1")
    data = EventSerializer(event).data

    assert list(data) == list(EventSerializer.Meta.fields)
    assert (data["targetType"], data["ipAddress"], data["shout"]) == ("thing", "192.0.2.1", "THING.DONE")


def test_what_comes_in_is_named_by_column():
    serializer = EventSerializer(data={"event": "x", "targetType": "thing", "createdAt": "2001-01-01"})
    serializer.is_valid(raise_exception=True)

    assert serializer.validated_data == {"event": "x", "target_type": "thing"}


def test_a_column_that_does_not_exist_is_found_when_the_class_is_used():
    class Wrong(ModelSerializer):
        class Meta:
            model = AuditEvent
            fields = ("noSuchThing",)

    with pytest.raises(Exception, match="noSuchThing"):
        _ = Wrong().fields


@pytest.mark.parametrize("value", [12, 1.5, True, False, None, ["x"], {"x": 1}])
def test_only_a_string_is_a_string(value):
    with pytest.raises(ValidationError) as refusal:
        StringField().run_validation(value)
    assert refusal.value.get_codes() in (["invalid"], ["null"])


@pytest.mark.parametrize(("value", "kept"), [("x", "x"), (" x ", "x"), ("12", "12"), ("é", "é")])
def test_a_string_is_trimmed(value, kept):
    assert StringField().run_validation(value) == kept
