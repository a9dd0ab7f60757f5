"""Import and export of any list, as jobs, in CSV and JSON.

Others import `exports.ExportViewSet` and `views.ImportViewSet`.
"""
