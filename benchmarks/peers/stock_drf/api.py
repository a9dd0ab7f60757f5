from django_filters.rest_framework import DjangoFilterBackend
from records.models import Resource, Tag
from rest_framework import serializers, viewsets
from rest_framework.filters import OrderingFilter, SearchFilter


class TagNameField(serializers.SlugRelatedField):
    """Tags by name; a new name becomes a tag of the caller."""

    def __init__(self, **kwargs):
        super().__init__(slug_field="name", queryset=Tag.objects.all(), **kwargs)

    def to_internal_value(self, data):
        user = self.context["request"].user
        return self.get_queryset().get_or_create(user=user, name=data)[0]


class ResourceSerializer(serializers.ModelSerializer):
    tags = TagNameField(many=True, required=False)

    class Meta:
        model = Resource
        fields = ["id", "user", "title", "content", "status", "tags", "created_at", "updated_at"]
        read_only_fields = ["user"]


class ResourceViewSet(viewsets.ModelViewSet):
    serializer_class = ResourceSerializer
    filter_backends = [DjangoFilterBackend, SearchFilter, OrderingFilter]
    filterset_fields = ["status", "tags__name"]
    search_fields = ["title", "content"]
    ordering_fields = ["created_at", "updated_at", "title"]
    ordering = ["-created_at"]

    def get_queryset(self):
        return Resource.objects.filter(user=self.request.user).prefetch_related("tags")

    def perform_create(self, serializer):
        serializer.save(user=self.request.user)
