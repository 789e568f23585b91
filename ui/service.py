"""The one connection of this process to the service."""

from __future__ import annotations

import os

import streamlit as st

from ui.client import Client

DEFAULT_API_URL = "http://127.0.0.1:8000"


@st.cache_resource(show_spinner=False, on_release=Client.close)
def client_for(base_url: str) -> Client:
    """One client a service, shared by every visitor."""
    return Client(base_url)


def get_client() -> Client:
    """The client of the service that FOOTNOTE_API_URL names; no other setting concerns the interface."""
    return client_for(os.environ.get("FOOTNOTE_API_URL") or DEFAULT_API_URL)
