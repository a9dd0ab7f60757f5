from django.contrib.admin import AdminSite


class GroundworkAdminSite(AdminSite):
    site_header = site_title = "Groundwork"
    index_title = "Administration"
