"""What Perch knows of people, made of the running configuration."""
