"""Real servers from wheels, for one machine: PostgreSQL, Temporal with its UI, and Hasp's own processes.

Everything listens on 127.0.0.1 and keeps its state in one folder (`HASP_HOME`). For development and trials;
`docker-compose.yml` has the production shape.
"""
