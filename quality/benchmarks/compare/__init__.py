"""leadbridge, n8n and Node-RED with the same flow, in one run on one machine."""
