"""What the fan-out benchmark runs beside the service: a driver and a floor."""
