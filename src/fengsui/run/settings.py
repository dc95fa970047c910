"""Every setting of Fengsui in one list, then the Django settings made from them.

A setting is an environment variable ``FENGSUI_*`` with a default and a reason; ``docs/settings.md`` has an entry
for each and a test holds that.  Rules, thresholds, organisations and plans are data with history, not settings.
"""

import os
import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.utils.translation import gettext_lazy as _

from fengsui.stores.durable import write_once


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: its name, its default as text and why it exists."""

    name: str
    default: str
    reason: str


SETTINGS = {
    s.name: s
    for s in (
        Setting("FENGSUI_HOME", "./var", "folder of all state: database, bus, history, secrets, logs"),
        Setting("FENGSUI_BIND", "127.0.0.1", "address that the portal, the gateway and MQTT listen on"),
        Setting("FENGSUI_PORT", "8000", "port of the portal and its API"),
        Setting("FENGSUI_GATEWAY_PORT", "8010", "port of the gateway's own HTTP listener"),
        Setting("FENGSUI_MQTT_PORT", "1883", "port of the bus's MQTT 3.1.1 listener"),
        Setting("FENGSUI_HJ212_PORT", "0", "port for HJ 212 devices over TCP; 0: off"),
        Setting("FENGSUI_SL651_PORT", "0", "port for SL 651 stations over TCP and UDP; 0: off"),
        Setting("FENGSUI_GB26875_PORT", "0", "port for GB/T 26875 devices over TCP and UDP; 0: off"),
        Setting("FENGSUI_JT808_PORT", "0", "port for JT/T 808 terminals over TCP and UDP; 0: off"),
        Setting("FENGSUI_CHEM_JSON_PORT", "0", "port for sealed JSON of hazardous chemicals; 0: off"),
        Setting("FENGSUI_FIRE_WATER_PRESSURE_PORT", "0", "port for fire-water pressure terminals; 0: off"),
        Setting("FENGSUI_FIELD_CONNECTIONS", "20000", "most connections of field devices to one gateway"),
        Setting("FENGSUI_FIELD_PER_ADDRESS", "2000", "most connections of field devices from one address"),
        Setting("FENGSUI_FIELD_IDLE_S", "900", "a field connection without a byte for so long is closed"),
        Setting("FENGSUI_FIELD_LOGIN_S", "60", "a field connection without a known device is closed"),
        Setting("FENGSUI_FIELD_FRAME_S", "10", "a frame that is not whole after so long is refused"),
        Setting("FENGSUI_FIELD_NOISE_BYTES", "65536", "bytes without a frame that close a field connection"),
        Setting("FENGSUI_FIELD_REFUSALS", "20", "refused frames in a row that close a field connection"),
        Setting("FENGSUI_DATABASE_URL", "", "your PostgreSQL; empty: the embedded one"),
        Setting("FENGSUI_DATABASE_PORT", "15432", "port of the embedded PostgreSQL, on 127.0.0.1"),
        Setting("FENGSUI_NATS_URL", "", "your NATS with JetStream; empty: the embedded one"),
        Setting("FENGSUI_NATS_PORT", "14222", "port of the embedded NATS, on 127.0.0.1"),
        Setting("FENGSUI_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]", "host names the portal answers to"),
        Setting("FENGSUI_SECURE", "0", "1: the portal is behind TLS; cookies are sent over https only"),
        Setting(
            "FENGSUI_SECRET_KEY", "", "signing key; empty: made once and kept under FENGSUI_HOME/secrets"
        ),
        Setting("FENGSUI_LANGUAGE", "zh-hans", "language before someone chooses: zh-hans or en"),
        Setting(
            "FENGSUI_TRUSTED_PROXIES",
            "",
            "addresses or networks of your proxies: X-Forwarded-For is believed",
        ),
        Setting("FENGSUI_LOGIN_TRIES", "5", "failed logins that lock an account"),
        Setting("FENGSUI_LOGIN_TRIES_SOURCE", "20", "failed logins that lock a source address"),
        Setting("FENGSUI_LOCK_MINUTES", "15", "how long a lock lasts"),
        Setting("FENGSUI_IDLE_MINUTES", "30", "a session nobody uses ends after this; 0: never"),
        Setting("FENGSUI_PASSWORD_DAYS", "90", "a password older than this must be changed; 0: never"),
        Setting(
            "FENGSUI_PARTITIONS", "1", "partitions of the readings stream: the most pipelines that share it"
        ),
        Setting("FENGSUI_PIPELINES", "1", "pipelines that fengsui up starts; they share the partitions"),
        Setting("FENGSUI_REPLICAS", "1", "copies of each stream on a NATS cluster: 1, 3 or 5"),
        Setting("FENGSUI_HISTORY", "", "folder of history and of states; empty: under FENGSUI_HOME"),
        Setting("FENGSUI_EPOCH_MS", "2000", "how often the pipeline commits history, ledger and checkpoint"),
        Setting(
            "FENGSUI_GROUP_MS", "20", "how long the gateway gathers requests before one synced bus write"
        ),
        Setting("FENGSUI_MAX_BODY_BYTES", str(64 << 20), "largest body of POST /api/v1/readings"),
        Setting(
            "FENGSUI_MAX_MQTT_BYTES", str(4 << 20), "largest MQTT payload and bus message; 64 MiB at most"
        ),
        Setting("FENGSUI_MAX_EVIDENCE_BYTES", str(20 << 20), "largest evidence file on a loop"),
        Setting("FENGSUI_MEDIA_FILE_BYTES", str(8 << 20), "largest picture, sound or video of a device"),
        Setting("FENGSUI_MEDIA_DEVICE_BYTES", str(2 << 30), "most bytes of such files of one device"),
        Setting("FENGSUI_MEDIA_TOTAL_BYTES", str(50 << 30), "most bytes of such files of all devices"),
        Setting("FENGSUI_BUS_MAX_BYTES", str(8 << 30), "bus storage before writers are slowed"),
        Setting(
            "FENGSUI_MIN_FREE_BYTES", str(1 << 30), "free disk space below which no more readings are taken"
        ),
        Setting(
            "FENGSUI_VIDEO", "0", "1: fengsui up starts the role video, to which GB/T 28181 devices register"
        ),
        Setting("FENGSUI_SIP_PORT", "5060", "port to which video devices register, UDP and TCP"),
        Setting(
            "FENGSUI_SIP_ADDRESS",
            "",
            "address by which video devices reach us, where it is none of this machine's",
        ),
        Setting("FENGSUI_SIP_SERVER", "34020000002000000001", "our own code of GB/T 28181, 20 digits"),
        Setting("FENGSUI_SIP_DOMAIN", "3402000000", "our SIP domain, the realm of passwords"),
        Setting(
            "FENGSUI_SIP_DIGESTS", "MD5", "digests on offer to devices of 2022, best first: SM3, SHA-256, MD5"
        ),
        Setting(
            "FENGSUI_SIP_KEEPALIVE_S", "60", "how often a device says that it is there; three missed: offline"
        ),
        Setting("FENGSUI_SIP_ANSWER_S", "10", "how long a device may take to answer"),
        Setting(
            "FENGSUI_SIP_ALARM_S",
            "60",
            "a camera's alarm that is not repeated is over after this; 0: when reset",
        ),
        Setting("FENGSUI_SIP_POSITION_S", "5", "how often a mobile device is asked to tell its position"),
        Setting("FENGSUI_RTP_PORTS", "30000-30499", "ports on which pictures of cameras arrive"),
        Setting(
            "FENGSUI_RTP_TRANSPORT", "udp", "how cameras send pictures: udp, or tcp (they connect to us)"
        ),
        Setting("FENGSUI_VIDEO_STREAMS", "32", "cameras that may be shown at the same time"),
        Setting("FENGSUI_VIDEO_UNWATCHED_S", "30", "a stream that nobody watches ends after this"),
        Setting("FENGSUI_DATA", "../shared/data", "folder of data sets that may not be shipped"),
        Setting("FENGSUI_REGIONS", "./regions", "folder of region packs"),
        Setting(
            "FENGSUI_METRICS_TOKEN", "", "bearer token for /metrics; empty: only this machine may read it"
        ),
        Setting("FENGSUI_OTEL_ENDPOINT", "", "OTLP/HTTP collector that gets traces; empty: no traces"),
        Setting("FENGSUI_OTEL_EVERY", "1000", "one request in so many is traced"),
        Setting(
            "FENGSUI_CLOCK_OFFSET_FILE",
            "",
            "file with milliseconds to add to the machine's clock, for drills",
        ),
        Setting(
            "FENGSUI_PUBLIC_URL", "", "address by which the public reaches us; empty: the one that was asked"
        ),
        Setting("FENGSUI_CAP_KEY", "", "PEM file of the key that signs warnings; empty: made once"),
        Setting("FENGSUI_CAP_CERTIFICATE", "", "PEM file of its certificate; empty: self-signed, made once"),
        Setting("FENGSUI_SMTP_URL", "", "mail server, smtp://user:password@host:587; empty: no mail is sent"),
        Setting(
            "FENGSUI_SMTP_CA", "", "PEM file of the authority of its certificate; empty: the system's only"
        ),
        Setting("FENGSUI_MAIL_FROM", "fengsui@localhost", "sender of e-mail"),
        Setting("FENGSUI_CALL_WEBHOOK", "", "address of the gateway for text messages and voice calls"),
        Setting("FENGSUI_CALL_WEBHOOK_SECRET", "", "key by which what the gateway gets is signed"),
        Setting("FENGSUI_CALL_WEBHOOK_KINDS", "sms", "what the gateway can do: sms, voice"),
        Setting("FENGSUI_HAZARD_TABLES", "", "folder of the bureau's own tables for major hazards"),
        Setting("FENGSUI_LOG_LEVEL", "info", "debug, info, warning or error"),
    )
}


def value(name: str) -> str:
    """The setting as text.  Raises KeyError for a name that is not in the list."""
    return os.environ.get(name) or SETTINGS[name].default


def number(name: str) -> int:
    """The setting as an integer.  Raises ValueError that names the setting."""
    text = value(name)
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name} must be a whole number, not {text!r}") from None


def address(name: str, schemes: tuple[str, ...]) -> str:
    """The setting as a URL of one of ``schemes``, or "".  Raises ValueError that names the setting."""
    url = value(name)
    if url and (urlsplit(url).scheme not in schemes or not urlsplit(url).hostname):
        raise ValueError(f"{name} begins with {' or '.join(one + '://' for one in schemes)} and names a host")
    return url


def home() -> Path:
    """FENGSUI_HOME as an absolute path; not created here."""
    return Path(value("FENGSUI_HOME")).absolute()


def states_folder() -> Path:
    """Where pipelines leave the state of their partitions: where every one of them can read it."""
    shared = value("FENGSUI_HISTORY")
    return Path(shared).absolute() / "states" if shared else home() / "states"


def video_folder() -> Path:
    """Where the role video leaves the segments of streams and web finds them."""
    return home() / "video"


def secret(name: str) -> str:
    """A random secret kept under FENGSUI_HOME/secrets, made on first use, readable by its owner only."""
    path = home() / "secrets" / name
    if not path.exists():
        write_once(path, secrets.token_urlsafe(36))  # durable: the database is made with it
    return path.read_text().strip()


def database_url() -> str:
    """The PostgreSQL to use: yours, or the embedded one."""
    return value("FENGSUI_DATABASE_URL") or (
        f"postgresql://fengsui:{secret('database')}@127.0.0.1:{number('FENGSUI_DATABASE_PORT')}/fengsui"
    )


def nats_url() -> str:
    """The NATS to use: yours, or the embedded one."""
    return value("FENGSUI_NATS_URL") or (
        f"nats://fengsui:{secret('nats')}@127.0.0.1:{number('FENGSUI_NATS_PORT')}"
    )


# ---- Django ---------------------------------------------------------------------------------------------------

_db = urlsplit(database_url())
PACKAGE = Path(__file__).resolve().parent.parent

SECRET_KEY = value("FENGSUI_SECRET_KEY") or secret("django")
DEBUG = False
ALLOWED_HOSTS = [h.strip() for h in value("FENGSUI_ALLOWED_HOSTS").split(",") if h.strip()]
INSTALLED_APPS = [
    "fengsui.people.accounts.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "django_vite",
    "procrastinate.contrib.django",
    "fengsui.people.orgs",
    "fengsui.people.accounts",
    "fengsui.people.audit",
    "fengsui.stores.outbox",
    "fengsui.stores.changes",
    "fengsui.stores.checkpoints",
    "fengsui.stores.history",
    "fengsui.loops",
    "fengsui.sense.devices",
    "fengsui.sense.cameras",
    "fengsui.sense.moving",
    "fengsui.sense.media",
    "fengsui.govern.quarantine",
    "fengsui.govern.ledger",
    "fengsui.govern.retention",
    "fengsui.warn.alarms",
    "fengsui.warn.fences",
    "fengsui.warn.scenarios",
    "fengsui.warn.warnings",
    "fengsui.warn.calls",
    "fengsui.warn.inventories",
    "fengsui.warn.risks",
    "fengsui.warn.detecting",
    "fengsui.warn.commitments",
    "fengsui.warn.patrols",
    "fengsui.show.reports",
    "fengsui.warn.naturals",
    "fengsui.show.portal",
    "fengsui.show.api",
]
MIDDLEWARE = [
    "fengsui.run.metrics.web.count_requests",
    "fengsui.run.middleware.security_headers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "fengsui.people.audit.middleware.audit_middleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "fengsui.people.accounts.middleware.PersonMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "fengsui.run.urls"
ASGI_APPLICATION = "fengsui.run.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PACKAGE / "show/portal/templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(_db.path.lstrip("/")) or "fengsui",
        "USER": unquote(_db.username or ""),
        "PASSWORD": unquote(_db.password or ""),
        "HOST": _db.hostname or "",
        "PORT": str(_db.port or ""),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 8, "timeout": 20}},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "fengsui.people.accounts.backend.Backend",
]
PASSWORD_HASHERS = ["fengsui.people.accounts.passwords.Argon2"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "fengsui.people.accounts.passwords.LengthAndKinds"},
    {"NAME": "fengsui.people.accounts.passwords.NotTheName"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "fengsui.people.accounts.passwords.NotAFormerOne"},
]
PASSWORD_MAX_DAYS = number("FENGSUI_PASSWORD_DAYS")
IDLE_MINUTES = number("FENGSUI_IDLE_MINUTES")
TRUSTED_PROXIES = [p.strip() for p in value("FENGSUI_TRUSTED_PROXIES").split(",") if p.strip()]

ACCOUNT_ADAPTER = "fengsui.people.accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PRESERVE_USERNAME_CASING = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_RATE_LIMITS = {
    "login": None,
    "login_failed": "20/15m/key",
}  # axes locks first; this bounds code guessing
MFA_ADAPTER = "fengsui.people.accounts.adapters.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Fengsui"
MFA_FORMS = {"authenticate": "fengsui.people.accounts.forms.AuthenticateForm"}

AXES_HANDLER = "fengsui.people.accounts.lockout.Handler"
AXES_LOCKOUT_PARAMETERS = ["username", "ip_address"]
AXES_FAILURE_LIMIT = number("FENGSUI_LOGIN_TRIES")
LOGIN_TRIES_SOURCE = number("FENGSUI_LOGIN_TRIES_SOURCE")
AXES_COOLOFF_TIME = timedelta(minutes=number("FENGSUI_LOCK_MINUTES"))
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_USERNAME_CALLABLE = "fengsui.people.accounts.lockout.account_key"
AXES_CLIENT_IP_CALLABLE = "fengsui.people.accounts.lockout.source_key"
AXES_LOCKOUT_CALLABLE = "fengsui.people.accounts.lockout.response"
AXES_DISABLE_ACCESS_LOG = True  # the audit trail has it
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"

EMAIL_BACKEND = "fengsui.stores.mail.Backend"
_smtp = urlsplit(address("FENGSUI_SMTP_URL", ("smtp", "smtps", "smtp+starttls")))
EMAIL_HOST = _smtp.hostname or ""
EMAIL_PORT = _smtp.port or {"smtps": 465, "smtp+starttls": 587}.get(_smtp.scheme, 25)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_smtp.username or ""), unquote(_smtp.password or "")
EMAIL_USE_SSL = _smtp.scheme == "smtps"
EMAIL_USE_TLS = _smtp.scheme == "smtp+starttls" or bool(_smtp.scheme == "smtp" and EMAIL_HOST_USER)
SMTP_CA = value("FENGSUI_SMTP_CA")
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = value("FENGSUI_MAIL_FROM")
HAZARD_TABLES = value("FENGSUI_HAZARD_TABLES")
LANGUAGE_COOKIE_AGE = 365 * 86_400
LANGUAGE_CODE = value("FENGSUI_LANGUAGE")
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [PACKAGE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"

STATIC_URL = "/static/"
STATIC_ROOT = home() / "static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
MEDIA_ROOT = home() / "media"
MAX_EVIDENCE_BYTES = number("FENGSUI_MAX_EVIDENCE_BYTES")
HISTORY_ROOT = Path(value("FENGSUI_HISTORY") or home() / "history").absolute()
DJANGO_VITE = {
    "default": {
        "manifest_path": PACKAGE / "show/portal/static/dist/manifest.json",
        "static_url_prefix": "dist",
    }
}
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = value("FENGSUI_SECURE") == "1"
if SESSION_COOKIE_SECURE:  # TLS ends at a proxy before us
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 86_400
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 << 20

# ---- what the portal needs of the rest ------------------------------------------------------------------------

NATS_URL = nats_url()
PARTITIONS = number("FENGSUI_PARTITIONS")
MAX_STA_BYTES = number("FENGSUI_MAX_BODY_BYTES")
MQTT_ENDPOINT = f"{value('FENGSUI_BIND')}:{number('FENGSUI_MQTT_PORT')}"
LAYERS_ROOT = home() / "layers"
VIDEO_ROOT = video_folder()
VIDEO = value("FENGSUI_VIDEO") == "1"
PUBLIC_URL = value("FENGSUI_PUBLIC_URL").rstrip("/")
CALL_WEBHOOK = address("FENGSUI_CALL_WEBHOOK", ("http", "https"))
CALL_WEBHOOK_SECRET = value("FENGSUI_CALL_WEBHOOK_SECRET")
CALL_WEBHOOK_KINDS = tuple(k.strip() for k in value("FENGSUI_CALL_WEBHOOK_KINDS").split(",") if k.strip())
CAP_KEY_IS_OURS = not value("FENGSUI_CAP_KEY")
CAP_KEY = Path(value("FENGSUI_CAP_KEY") or home() / "secrets" / "cap-key.pem").absolute()
CAP_CERTIFICATE = Path(
    value("FENGSUI_CAP_CERTIFICATE") or home() / "secrets" / "cap-certificate.pem"
).absolute()
OWN = {"bus": value("FENGSUI_NATS_URL"), "db": value("FENGSUI_DATABASE_URL")}
ROLES = (
    *(r for r in ("bus", "db", "gateway", "pipeline", "web", "worker") if not OWN.get(r)),
    *(("video",) if VIDEO else ()),
)
