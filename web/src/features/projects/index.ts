// What other features may use of projects; everything else in this folder is its own.
export { detectionQuery, projectOptionsQuery, projectQuery, type Detection, type Project } from './projects'
