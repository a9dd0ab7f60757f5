"""REST framework's classes as this contract needs them: viewsets, serializers, filters, pages, ETags, idempotency.

Others import `viewsets.BaseViewSet`, `serializers.ModelSerializer`, `filters` and the mixins.
"""
