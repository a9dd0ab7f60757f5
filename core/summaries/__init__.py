"""Summaries of single objects, by a service with the API of OpenAI. Without OPENAI_API_KEY there are none.

Others import `views.SummaryViewSet`.
"""
