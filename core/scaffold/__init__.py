"""`manage.py startresource` and `manage.py removeresource`: a whole app from one line, and back; `manage.py setup`.

`fields` has the field of a resource, `kinds` its types, `resource` the parts of the files, `app_template` the files,
`record` the list of what was made, `removal` the removal of an app, `writing` the changes of files, `with_app` a
`manage.py` with an app that is elsewhere. `setup` has `setup_options`, `product`, `licence`
and `project_files`.
"""
