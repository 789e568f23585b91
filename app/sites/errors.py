"""Why an address on the web was not read."""

from __future__ import annotations

from app.errors import AppError, Conflict, NotFound, Overloaded


class UrlInvalid(AppError):
    status_code = 422
    code = "url_invalid"
    stage = "fetched"
    default_next_step = "Give a complete address that begins with http:// or https://, without a password."


class UrlAddressPrivate(AppError):
    """The name leads into this machine or its network."""

    status_code = 422
    code = "url_address_private"
    stage = "fetched"
    default_next_step = "Only public addresses are read. Save the page as a file and upload that."


class UrlDisallowed(AppError):
    status_code = 422
    code = "url_robots_disallowed"
    stage = "fetched"
    default_next_step = "The site asks programs not to read this. Save the page as a file and upload that."


class UrlUnreachable(AppError):
    status_code = 502
    code = "url_unreachable"
    stage = "fetched"
    default_next_step = "Open the address in a browser; if it works there, try again."


class UrlTimeout(AppError):
    status_code = 504
    code = "url_timeout"
    stage = "fetched"
    default_next_step = "Try again later, or save the page as a file and upload that."


class UrlStatus(AppError):
    """The site answered with something else than the page."""

    status_code = 502
    code = "url_status"
    stage = "fetched"
    default_next_step = "Check the address in a browser; pages behind a login cannot be read."


class UrlTooLarge(AppError):
    status_code = 413
    code = "url_too_large"
    stage = "fetched"
    default_next_step = "Download the file yourself and upload it in parts."


class UrlTypeUnsupported(AppError):
    status_code = 415
    code = "url_type_unsupported"
    stage = "fetched"
    default_next_step = "Give the address of a page or a document, not of a picture, a film or a program."


class SiteReadNotFound(NotFound):
    code = "site_read_not_found"
    default_next_step = "List reads with GET /v1/site-reads."


class SiteReadState(Conflict):
    """The read's state does not allow this."""

    code = "site_read_state"
    stage = "fetched"
    default_next_step = "Look at the read with GET /v1/site-reads/{id}."


class TooManySiteReads(Overloaded):
    """As many sites are being read already as may be at once."""

    code = "too_many_site_reads"
    stage = "fetched"
    default_next_step = "Wait until one of them has ended, or cancel one."
