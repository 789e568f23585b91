"""The browser interface: Streamlit pages that speak to the service over HTTP and import nothing of it."""
