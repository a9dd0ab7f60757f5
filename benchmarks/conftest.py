"""The benchmarks measure the example app."""

from config.local_apps import LOCAL_APPS

collect_ignore = [] if "resources" in LOCAL_APPS else ["tests"]
