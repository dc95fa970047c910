"""Where each page is."""

from django.urls import path

from fengsui.show.portal.pages import alarms, govern, home, importing, loops, operations, people, rules, sites

urlpatterns = [
    path("", home.home, name="home"),
    path("desk/", home.desk, name="desk"),
    path("search/", home.find, name="search"),
    path("status/", home.platform_status, name="status"),
    path("operations/", operations.operations_page, name="operations"),
    path("healthz", home.health, name="health"),
    path("sites/", sites.site_list, name="sites"),
    path("sites/import/", importing.import_page, name="import"),
    path("sites/import/<str:kind>.csv", importing.import_template, name="import-template"),
    path("sites/<str:code>/", sites.site_screen, name="site"),
    path("sites/<str:code>/tables/", sites.site_tables, name="site-tables"),
    path("alarms/", alarms.alarm_list, name="alarms"),
    path("alarms/ack/", alarms.ack, name="alarms-ack"),
    path("alarms/<int:pk>/", alarms.alarm_detail, name="alarm"),
    path("alarms/<int:pk>/shelve/", alarms.shelve, name="alarm-shelve"),
    path("alarms/<int:pk>/unshelve/", alarms.unshelve, name="alarm-unshelve"),
    path("loops/", loops.loop_list, name="loops"),
    path("loops/<int:pk>/", loops.loop_detail, name="loop"),
    path("loops/<int:pk>/act/", loops.act, name="loop-act"),
    path("rules/", rules.rule_list, name="rules"),
    path("rules/new/", rules.rule_new, name="rule-new"),
    path("rules/<int:pk>/", rules.rule_detail, name="rule"),
    path("rules/<int:pk>/withdraw/", rules.rule_withdraw, name="rule-withdraw"),
    path("quarantine/", govern.quarantine, name="quarantine"),
    path("quarantine/resolve/", govern.resolve, name="quarantine-resolve"),
    path("quarantine/<int:pk>/", govern.held_detail, name="held"),
    path("ledger/", govern.ledger, name="ledger"),
    path("orgs/", people.org_tree, name="orgs"),
    path("audit/", people.audit_trail, name="audit"),
]
