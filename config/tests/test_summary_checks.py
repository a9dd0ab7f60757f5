from config.tests.reading import serializer
from config.tests.sample_models import Note
from core.summaries.checks import check_summary_fields
from core.summaries.views import SummaryViewSet


def summarized(*fields):
    class NoteViewSet(SummaryViewSet):
        queryset = Note.objects.all()
        serializer_class = serializer(Note, "text")
        summary_fields = fields

    return NoteViewSet


def found(serve, *fields):
    serve(summarized(*fields))
    return [(problem.id, problem.msg.partition("NoteViewSet ")[2]) for problem in check_summary_fields()]


def test_a_viewset_without_fields_is_an_error(serve):
    assert found(serve) == [("core.E011", "is missing.")]


def test_a_field_that_the_model_does_not_have_is_an_error(serve):
    assert found(serve, "text", "txet") == [("core.E011", "names 'txet', which the model does not have.")]


def test_fields_of_the_model_are_right(serve):
    assert found(serve, "text") == []
