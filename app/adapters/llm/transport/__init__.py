"""HTTP/1.1 to providers, beneath the SDKs: a transport that costs little for each chunk."""
